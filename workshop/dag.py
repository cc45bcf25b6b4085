"""Pipelines and the repos they read as a graph: one layout, drawn as text, as SVG and as Mermaid.

     ( training )
           │
           │ /*
    [ pre_process ]
           │
           │ /
       [ train ]    ( attributes )
           │               │
           └───────┬───────┘
                   │ /* × /
             [ inference ]

Round is a repo that people write to, square a pipeline with its output repo. Layers are longest paths from the sources;
an edge that crosses a layer passes it in a column of its own, so that no edge runs through a box. Where edges would
cross each other the eye loses them, and the graph is drawn in lanes instead (lanes.py).
"""

import itertools
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from workshop import lanes

if TYPE_CHECKING:
    from python_pachyderm import Client

CROSSING = "┼"
JOINTS = {"cross": "×", "join": "⋈", "union": "∪", "group": "group"}


@dataclass
class Graph:
    """`nodes` maps each name to its state ("" for a repo that people write to); `edges` are (from, to, glob).

    `inputs` says how a pipeline combines what it reads, with a {} for each of its edges: "({} ⋈ {}) × {}".
    """

    nodes: dict[str, str] = field(default_factory=dict)
    pipelines: set[str] = field(default_factory=set)
    edges: list[tuple[str, str, str]] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)

    def reads(self, name: str, places: bool = True) -> str:
        """What a pipeline reads and how, as `(a:/(*) ⋈ b:/(*)) × c:/`; without places, the globs alone."""
        edges = [(source, glob) for source, target, glob in self.edges if target == name]
        words = [f"{source}:{glob}" if places else glob for source, glob in edges]
        return self.inputs.get(name, "{}" if words else "").format(*words)


def gather(client: "Client") -> Graph:
    """The graph of a pachd's default project: every pipeline, and every repo that one of them reads or nobody does."""
    from python_pachyderm.proto.v2.pps.pps_pb2 import PipelineState

    graph = Graph()
    pipelines = sorted(client.list_pipeline(details=True), key=lambda info: info.pipeline.name)
    for info in pipelines:
        name = info.pipeline.name
        graph.pipelines.add(name)
        graph.nodes[name] = PipelineState.Name(info.state).removeprefix("PIPELINE_").lower()
        found: list[tuple[str, str]] = []
        graph.inputs[name] = combination(info.details.input, found)
        graph.edges += [(source, name, glob) for source, glob in found]
    for repo in [edge[0] for edge in graph.edges] + sorted(info.repo.name for info in client.list_repo()):
        graph.nodes.setdefault(repo, "")
    return graph


def combination(entry: Any, found: list[tuple[str, str]], inside: bool = False) -> str:
    """How an input combines what it reads, a {} for each; adds (repo, glob) of each to `found`, in that order."""
    for kind, sign in JOINTS.items():
        if children := getattr(entry, kind):
            words = f" {sign} ".join(combination(child, found, True) for child in children)
            return f"({words})" if inside and len(children) > 1 else words
    if entry.HasField("pfs"):
        found.append((entry.pfs.repo, entry.pfs.glob))
    elif entry.HasField("cron"):
        found.append((entry.cron.repo or entry.cron.name, entry.cron.spec))
    else:
        return ""
    return "{}"


def layers(graph: Graph) -> list[list[str]]:
    """Names by layer, sources first. Names like `a>b@2` stand for the edge from a to b where it passes layer 2."""
    depth: dict[str, int] = {}

    def find(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((find(source) for source, target, _ in graph.edges if target == name), default=-1)
        return depth[name]

    for name in graph.nodes:
        find(name)
    for name in graph.nodes:  # a source stands just above its first reader, not at the very top
        readers = [depth[target] for source, target, _ in graph.edges if source == name]
        if depth[name] == 0 and readers and name not in graph.pipelines:
            depth[name] = min(readers) - 1
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in sorted(graph.nodes):
        rows[depth[name]].append(name)
    for source, target, _ in graph.edges:
        for layer in range(depth[source] + 1, depth[target]):
            rows[layer].append(f"{source}>{target}@{layer}")
    return _untangled(rows, graph)


def segments(graph: Graph) -> list[tuple[str, str, str]]:
    """The edges cut at the layers they pass; each piece joins neighbouring layers, the last one carries the glob."""
    place = {name: index for index, row in enumerate(layers(graph)) for name in row}
    pieces = []
    for source, target, glob in graph.edges:
        chain = [source, *(f"{source}>{target}@{layer}" for layer in range(place[source] + 1, place[target])), target]
        pieces += [(a, b, glob if b == target else "") for a, b in itertools.pairwise(chain)]
    return pieces


def _untangled(rows: list[list[str]], graph: Graph) -> list[list[str]]:
    """Order each layer by the middle of its neighbours in the layer above, then below, a few times over."""
    pairs = []
    for source, target, _ in graph.edges:
        passed = [name for row in rows for name in row if name.startswith(f"{source}>{target}@")]
        chain = [source, *passed, target]
        pairs += list(itertools.pairwise(chain))
    for sweep in range(6):
        order = {name: index for row in rows for index, name in enumerate(row)}
        for row in rows if sweep % 2 == 0 else reversed(rows):
            above = {name: [order[a] for a, b in pairs if b == name] for name in row}
            below = {name: [order[b] for a, b in pairs if a == name] for name in row}
            near = above if sweep % 2 == 0 else below
            row.sort(key=lambda name: (_middle(near[name] or above[name] or below[name], order[name]), not above[name]))
            order |= {name: index for index, name in enumerate(row)}
    return rows


def _middle(values: list[int], otherwise: int) -> float:
    return sum(values) / len(values) if values else otherwise


def document(graph: Graph) -> dict[str, Any]:
    """The graph as plain data, for --json."""
    nodes = [
        {"name": name, "kind": "pipeline" if name in graph.pipelines else "repo", "state": state or None}
        for name, state in sorted(graph.nodes.items())
    ]
    return {"nodes": nodes, "edges": [{"from": a, "to": b, "glob": glob} for a, b, glob in graph.edges]}


def mermaid(graph: Graph) -> str:
    """The graph in Mermaid's language, which GitHub draws in Markdown."""
    lines = ["flowchart TD"]
    for name in graph.nodes:
        lines.append(f"    {name}[{name}]" if name in graph.pipelines else f"    {name}([{name}])")
    for source, target, glob in graph.edges:
        lines.append(f'    {source} -->|"{glob}"| {target}')
    return "\n".join(lines) + "\n"


def positions(graph: Graph, gap: int = 4) -> tuple[list[list[str]], dict[str, int], int]:
    """(layers, the column of each name's middle, the whole width), in characters."""
    rows = layers(graph)
    widths = {name: len(label(name, graph)) for row in rows for name in row}
    middle: dict[str, int] = {}
    pairs = [(a, b) for a, b, _ in segments(graph)]
    for row in rows:
        column = 0
        for name in row:
            wanted = [middle[a] for a, b in pairs if b == name and a in middle]
            start = max(column, round(sum(wanted) / len(wanted)) - widths[name] // 2 if wanted else column)
            middle[name] = start + widths[name] // 2
            column = start + widths[name] + gap
    for row in reversed(rows):  # a source stands above its reader, if there is room
        limit = None
        for name in reversed(row):
            wanted = [middle[b] for a, b in pairs if a == name]
            if wanted and name not in graph.pipelines and len(wanted) == 1:
                middle[name] = max(
                    middle[name], wanted[0] if limit is None else min(wanted[0], limit - widths[name] // 2)
                )
            limit = middle[name] - widths[name] // 2 - gap
    total = max((middle[name] + widths[name] for name in middle), default=0)
    return rows, middle, total


def label(name: str, graph: Graph) -> str:
    """What stands in a name's place: round for repos, square for pipelines, a line for an edge on its way."""
    if ">" in name:
        return "│"
    return f"[ {name} ]" if name in graph.pipelines else f"( {name} )"


def text(graph: Graph) -> str:
    """The graph drawn with line characters."""
    if not graph.nodes:
        return "there are no repos yet\n"
    drawn = _layered(graph)
    return lanes.text(_rows(graph)) if CROSSING in drawn else drawn


def _rows(graph: Graph) -> list[lanes.Row]:
    """The graph for lanes.py, every name below what it reads."""
    names = [name for row in layers(graph) for name in row if name in graph.nodes]
    return [
        lanes.Row(
            name,
            label(name, graph),
            [source for source, target, _ in graph.edges if target == name],
            graph.reads(name),
            name in graph.pipelines,
        )
        for name in names
    ]


def _layered(graph: Graph) -> str:
    """Layer below layer, with the edges between them."""
    rows, middle, total = positions(graph)
    lines: list[str] = []
    for index, row in enumerate(rows):
        canvas = [" "] * (total + 2)
        for name in row:
            words = label(name, graph)
            start = middle[name] - len(words) // 2
            canvas[start : start + len(words)] = words
        lines.append("".join(canvas).rstrip())
        if index + 1 < len(rows):
            lines += _between([p for p in segments(graph) if p[0] in row], graph, middle, total)
    return "\n".join(lines) + "\n"


def _between(pieces: list[tuple[str, str, str]], graph: Graph, middle: dict[str, int], total: int) -> list[str]:
    """The lines between two layers: stems, one line of corners for each target that needs any, and stems with globs."""
    result = [_stems({middle[a] for a, _, _ in pieces}, total).rstrip()]
    targets = sorted({b for _, b, _ in pieces}, key=lambda name: middle[name])
    bent = [t for t in targets if any(middle[a] != middle[t] for a, b, _ in pieces if b == t)]
    waiting = {(a, b) for a, b, _ in pieces}
    for target in bent:
        canvas = list(
            _stems(
                {middle[a] for a, b in waiting if b != target} | {middle[b] for a, b in _drawn(pieces, waiting)}, total
            )
        )
        columns = sorted({middle[a] for a, b, _ in pieces if b == target})
        turn = middle[target]
        left, right = min([*columns, turn]), max([*columns, turn])
        for column in range(left, right + 1):
            canvas[column] = CROSSING if canvas[column] == "│" and column not in (left, right) else "─"
        still = {middle[a] for a, b in waiting if b != target}
        for column in {*columns, turn}:
            canvas[column] = _corner(
                column in columns, column == turn or column in still, column > left, column < right
            )
        waiting -= {(a, b) for a, b in waiting if b == target}
        result.append("".join(canvas).rstrip())
    canvas = list(_stems({middle[b] for _, b, _ in pieces}, total + 12))
    for target in targets:
        if words := graph.reads(target, places=False):
            start = middle[target] + 2
            canvas[start : start + len(words)] = words
    result.append("".join(canvas).rstrip())
    return result


def _drawn(pieces: list[tuple[str, str, str]], waiting: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pieces whose corners are drawn already: below those, they run in their target's column."""
    return [(a, b) for a, b, _ in pieces if (a, b) not in waiting]


def _stems(columns: set[int], total: int) -> str:
    return "".join("│" if column in columns else " " for column in range(total + 2))


def _corner(above: bool, below: bool, left: bool, right: bool) -> str:
    """The line character that joins these sides."""
    return {
        (True, True, True, True): CROSSING,
        (True, True, True, False): "┤",
        (True, True, False, True): "├",
        (True, True, False, False): "│",
        (True, False, True, True): "┴",
        (True, False, True, False): "┘",
        (True, False, False, True): "└",
        (False, True, True, True): "┬",
        (False, True, True, False): "┐",
        (False, True, False, True): "┌",
    }[above, below, left, right]


def svg(graph: Graph) -> str:
    """The graph as a picture, laid out as the text is."""
    if graph.nodes and CROSSING in _layered(graph):
        return lanes.svg(_rows(graph))
    unit, step, box = 9, 96, 44
    rows, middle, total = positions(graph, gap=8)
    place = {name: (20 + middle[name] * unit, 40 + index * step) for index, row in enumerate(rows) for name in row}
    width, height = total * unit + 60, len(rows) * step + 10
    shapes = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        "<style>text{font:14px monospace}.line{fill:none;stroke:#888;stroke-width:1.5}.repo{fill:#eef6ff;stroke:#36c}"
        ".pipeline{fill:#f3fbef;stroke:#393}text{text-anchor:middle;fill:#222}.globs{font-size:12px;fill:#666}</style>",
    ]
    for source, target, _ in segments(graph):
        (x1, top), (x2, bottom) = place[source], place[target]
        y1, y2 = (top if ">" in source else top + box / 2), (bottom if ">" in target else bottom - box / 2)
        half = (y1 + y2) / 2
        shapes.append(f'<path class="line" d="M{x1},{y1} C{x1},{half} {x2},{half} {x2},{y2}"/>')
    for name, state in graph.nodes.items():
        x, y = place[name]
        globs = graph.reads(name, places=False)
        wide = max(len(label(name, graph)) * unit, len(globs) * 7.5) + 8
        kind, round_by = ("pipeline", 3) if name in graph.pipelines else ("repo", box / 2)
        title = f"<title>{escape(f'{kind} {name} {state}'.strip())}</title>"
        corner = f'x="{x - wide / 2}" y="{y - box / 2}" rx="{round_by}"'
        shapes.append(f'<rect class="{kind}" {corner} width="{wide}" height="{box}">{title}</rect>')
        shapes.append(f'<text x="{x}" y="{y - 2 if globs else y + 5}">{escape(name)}</text>')
        if globs:
            shapes.append(f'<text class="globs" x="{x}" y="{y + 14}">{escape(globs)}</text>')
    return "\n".join([*shapes, "</svg>"]) + "\n"
