"""A graph whose edges would cross, drawn so that none needs to: a row for each name, a lane for each that is read.

    ( sample_data )        ●
    ( models )             │  ●
    [ crop ]               ○──┼──●              sample_data:/*
    [ extract_centers ]       │  ○──●           crop:/*
    [ generate_heatmaps ]     ○──○──○──●        (crop:/(*) ⋈ extract_centers:/(*)) × models:/
    [ visualize_heatmaps ]       ○─────○        crop:/(*) ⋈ generate_heatmaps:/(*)

A filled dot is where a repo's lane begins, a ring is a reader; a lane ends at its last reader.
"""

from dataclasses import dataclass
from html import escape

SPACING = 3
# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b5b95", "#7a7a7a")
ROW, LANE, BOX, LETTER = 46, 34, 30, 8.5


@dataclass
class Row:
    """One name, how it is shown, the names above that it reads, and how it combines them."""

    name: str
    label: str
    reads: list[str]
    inputs: str
    pipeline: bool


@dataclass
class Plan:
    """Each read name's lane, from the left, and the first and the last row of the lane."""

    lane: dict[str, int]
    first: dict[str, int]
    last: dict[str, int]


def plan(rows: list[Row]) -> Plan:
    """The lanes of these rows. Every name stands above its readers."""
    last = {source: index for index, row in enumerate(rows) for source in row.reads}
    first = {row.name: index for index, row in enumerate(rows) if row.name in last}
    return Plan({name: number for number, name in enumerate(first)}, first, last)


def text(rows: list[Row]) -> str:
    """The rows in line characters."""
    lanes = plan(rows)
    labels = max(len(row.label) for row in rows)
    lines = []
    for index, row in enumerate(rows):
        canvas = [" "] * (SPACING * len(lanes.lane))
        passing = {SPACING * lanes.lane[n] for n in lanes.lane if lanes.first[n] < index <= lanes.last[n]}
        rings = {SPACING * lanes.lane[name] for name in row.reads}
        dots = {SPACING * lanes.lane[row.name]} if row.name in lanes.lane else set()
        for column in range(min(rings | dots, default=0), max(rings | dots, default=0)):
            canvas[column] = "─"
        for column in passing:
            canvas[column] = "┼" if canvas[column] == "─" else "│"
        for column in rings | dots:
            canvas[column] = "○" if column in rings else "●"
        lines.append(f"{row.label:{labels}}  {''.join(canvas)}{row.inputs}".rstrip())
    return "\n".join(lines) + "\n"


def svg(rows: list[Row]) -> str:
    """The rows as a picture, each lane in a colour of its own."""
    lanes = plan(rows)
    boxes = max(len(row.name) for row in rows) * LETTER + 36
    across = {name: boxes + 50 + LANE * number for name, number in lanes.lane.items()}
    words = max([*across.values(), boxes]) + 34
    width = words + max(len(row.inputs) for row in rows) * 7.4 + 20
    colour = {name: COLOURS[number % len(COLOURS)] for name, number in lanes.lane.items()}

    def down(index: int) -> float:
        return 30 + ROW * index

    shapes = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{ROW * len(rows) + 44}">',
        "<style>text{font:14px monospace;fill:#222}.name{text-anchor:middle}.inputs,.key{font-size:12px;fill:#555}"
        ".lane{fill:none;stroke-width:3;stroke-linecap:round}.reach{stroke:#bbb;stroke-width:1.5}"
        ".ring{fill:#fff;stroke-width:3}.box{fill:#fff;stroke-width:2}.band{fill:#f6f7f9}</style>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for index in range(0, len(rows), 2):
        shapes.append(f'<rect class="band" x="0" y="{down(index) - ROW / 2}" width="100%" height="{ROW}"/>')
    for index, row in enumerate(rows):
        ends = [across[name] for name in [*row.reads, row.name] if name in across]
        if ends:
            shapes.append(
                f'<line class="reach" x1="{boxes + 10}" y1="{down(index)}" x2="{max(ends)}" y2="{down(index)}"/>'
            )
    for name, x in across.items():
        top, bottom = down(lanes.first[name]), down(lanes.last[name])
        shapes.append(f'<path class="lane" stroke="{colour[name]}" d="M{x},{top} V{bottom}"/>')
    for index, row in enumerate(rows):
        y = down(index)
        kind, stroke = "pipeline" if row.pipeline else "repo", colour.get(row.name, "#777")
        shapes.append(
            f'<rect class="box" x="10" y="{y - BOX / 2}" rx="{4 if row.pipeline else BOX / 2}" width="{boxes}" '
            f'height="{BOX}" stroke="{stroke}"><title>{kind} {escape(row.name)}</title></rect>'
        )
        shapes.append(f'<text class="name" x="{10 + boxes / 2}" y="{y + 5}">{escape(row.name)}</text>')
        for source in row.reads:
            shapes.append(f'<circle class="ring" cx="{across[source]}" cy="{y}" r="6" stroke="{colour[source]}"/>')
        if row.name in across:
            shapes.append(f'<circle cx="{across[row.name]}" cy="{y}" r="7.5" fill="{stroke}"/>')
        if row.inputs:
            shapes.append(f'<text class="inputs" x="{words}" y="{y + 4}">{escape(row.inputs)}</text>')
    key = "round: a repo to write to; square: a pipeline. A lane begins at what fills it; a ring is a reader."
    shapes.append(f'<text class="key" x="10" y="{down(len(rows)) - 4}">{key}</text>')
    return "\n".join([*shapes, "</svg>"]) + "\n"
