"""draw pipeline: the DAG in letters, sources above, one box for each repo and pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field

from workshop.pachctl.commands import Call, command
from workshop.pachctl.jobs import API
from workshop.pachctl.messages import Message
from workshop.pachctl.tables import coloured


@dataclass(eq=False)
class Vertex:
    """A box, or a bend of an edge that crosses a layer. `edges` lead to what depends on it."""

    label: str
    bend: bool = False
    failed: bool = False
    layer: int = 0
    centre: int = 0
    edges: list[Vertex] = field(default_factory=list)


@command("draw pipeline")
def draw_pipeline(call: Call) -> None:
    request = {"commit_set": {"id": call.commit}, "projects": [{"name": call.project}], "details": True}
    infos = list(call.pachd.stream(f"{API}/ListPipeline", "pps_v2.PipelineInfo", request))
    print(draw(graph(infos), call.box_width, call.edge_height), end="")


def graph(infos: list[Message]) -> list[Vertex]:
    """A vertex for each pipeline and each input, in the order in which they are met."""
    found: dict[str, Vertex] = {}

    def vertex(name: str, state: str = "") -> Vertex:
        made = found.setdefault(name, Vertex(name))
        made.failed |= state in ("JOB_FAILURE", "JOB_KILLED")
        return made

    for info in infos:
        pipeline = vertex(info.pipeline.name, info.last_job_state)
        for name in _inputs(info.details.input):
            source = vertex(name)
            if pipeline not in source.edges:
                source.edges.append(pipeline)
    return list(found.values())


def _inputs(given: Message) -> list[str]:
    names = [given[kind].name for kind in ("pfs", "cron") if kind in given]
    return names + [
        name for kind in ("join", "group", "cross", "union") for item in given.get(kind, []) for name in _inputs(item)
    ]


def draw(vertices: list[Vertex], box_width: int = 11, edge_height: int = 5) -> str:
    """The picture: layers of boxes, and between them lines of edges."""
    layers = _layered(vertices)
    _ordered(layers)
    width = max((len(layer) for layer in layers), default=0) * (box_width + 2) * 2
    for layer in layers:
        for index, vertex in enumerate(layer):
            vertex.centre = (index + 1) * (width // (len(layer) + 1))
    lines: list[str] = []
    for layer in reversed(layers):
        border, row = _boxes(layer, box_width)
        lines += [border, row, border]
        edges = [(vertex.centre, target.centre) for vertex in layer for target in vertex.edges]
        for down in range(edge_height):
            cells = [" "] * width
            for source, target in edges:
                _trace(cells, source, target, down, edge_height)
            lines.append("".join(cells))
    return "".join(f"{line}\n" for line in lines)


def _layered(vertices: list[Vertex]) -> list[list[Vertex]]:
    """Layers from the last pipelines up: each vertex one above the highest that depends on it; long edges get bends."""
    layers: list[list[Vertex]] = []

    def place(vertex: Vertex, layer: int) -> None:
        while len(layers) <= layer:
            layers.append([])
        layers[layer].append(vertex)

    placed = [vertex for vertex in vertices if not vertex.edges]
    for vertex in placed:
        place(vertex, 0)
    while len(placed) < len(vertices):
        before = len(placed)
        for vertex in vertices:
            if vertex in placed or any(target not in placed for target in vertex.edges):
                continue
            vertex.layer = max(target.layer for target in vertex.edges) + 1
            place(vertex, vertex.layer)
            placed.append(vertex)
            for target in list(vertex.edges):
                latest = vertex
                for layer in range(vertex.layer - 1, target.layer, -1):
                    bend = Vertex("|", bend=True, layer=layer, edges=[target])
                    place(bend, layer)
                    latest.edges[latest.edges.index(target)] = bend
                    latest = bend
        if len(placed) == before:  # a circle cannot be layered; pachd admits none
            break
    return layers


def _ordered(layers: list[list[Vertex]]) -> None:
    """Order each layer by where its edges lead in the one below, by insertion, so that equals keep their places."""
    below: dict[Vertex, int] = {}
    for layer in layers:
        if below:
            for start in range(1, len(layer)):
                place = start
                while place and _score(layer, place, below) < _score(layer, place - 1, below):
                    layer[place], layer[place - 1] = layer[place - 1], layer[place]
                    place -= 1
        below = {vertex: index for index, vertex in enumerate(layer)}


def _score(layer: list[Vertex], place: int, below: dict[Vertex, int]) -> int:
    return sum(below.get(target, 0) - place for target in layer[place].edges)


def _boxes(layer: list[Vertex], box_width: int) -> tuple[str, str]:
    border, row, written = "", "", 0
    for vertex in layer:
        space = " " * (vertex.centre - (box_width + 2) // 2 - written)
        label = vertex.label if len(vertex.label) <= box_width else vertex.label[: box_width - 2] + ".."
        left = " " * ((box_width - len(label)) // 2)
        right = " " * (box_width - len(label) - len(left))
        if vertex.bend:
            border += f"{space} {left}|{right} "
            row += f"{space} {left}|{right} "
        else:
            colour = "bright red" if vertex.failed else "bright green"
            border += coloured(f"{space}+{'-' * box_width}+", colour)
            row += coloured(f"{space}|{left}{label}{right}|", colour)
        written += len(space) + box_width + 2
    return border, row


def _trace(cells: list[str], source: int, target: int, down: int, height: int) -> None:
    """Put one edge's sign into the line that is DOWN below its source."""

    def put(place: int, sign: str) -> None:
        if 0 <= place < len(cells):
            cells[place] = sign if cells[place] in (" ", sign) else "+"

    if source == target:
        put(source, "|")
        return
    across = abs(source - target) - 1
    step = 1 if target > source else -1
    if height > across and across // 2 <= down < height - across // 2:
        put((source + target) // 2, "|")
        return
    if height < across and down == height // 2:
        place, end = source + height // 2 * step, target - height // 2 * step - _remainder(step * height)
        while place != end:
            place += step
            put(place, "-")
        return
    offset = down + 1
    if down > height // 2:
        offset = across - (height - offset)
    put(source + offset * step, "\\" if step > 0 else "/")


def _remainder(number: int) -> int:
    """number % 2 with the sign of the number."""
    return -(-number % 2) if number < 0 else number % 2
