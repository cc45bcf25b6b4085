"""The graph as pictures: whole strings, because a picture is right or wrong as a whole."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from google.protobuf import json_format
from python_pachyderm.proto.v2.pps.pps_pb2 import Input

from workshop.dag import Graph, combination, document, layers, mermaid, segments, svg, text

IRIS = Graph(
    {"inference": "running", "pre_process": "running", "train": "running", "attributes": "", "training": ""},
    {"inference", "pre_process", "train"},
    [
        ("attributes", "inference", "/*"),
        ("train", "inference", "/"),
        ("training", "pre_process", "/*"),
        ("pre_process", "train", "/"),
    ],
    {"inference": "{} × {}"},
)

IRIS_PICTURE = """\
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
"""

# a reads r; b reads a; c reads a and b and r: the edges a-c and r-c pass the layers between
LONG = Graph(
    {"a": "running", "b": "running", "c": "failure", "r": ""},
    {"a", "b", "c"},
    [("r", "a", "/*"), ("a", "b", "/"), ("a", "c", "/"), ("b", "c", "/"), ("r", "c", "/x")],
)

BREAST_CANCER_PICTURE = """\
( sample_data )         ●
[ crop ]                ○──●           sample_data:/*
[ extract_centers ]        ○──●        crop:/*
( models )                 │  │  ●
[ generate_heatmaps ]      ○──○──○──●  (crop:/(*) ⋈ extract_centers:/(*)) × models:/
[ classify ]               ○──○──○──○  (crop:/(*) ⋈ extract_centers:/(*) ⋈ generate_heatmaps:/(*)) × models:/
[ visualize_heatmaps ]     ○────────○  crop:/(*) ⋈ generate_heatmaps:/(*)
"""


def graph_of(folder: Path) -> Graph:
    """The graph that a folder of specs would make."""
    graph = Graph()
    for path in sorted(folder.glob("*.json")):
        spec = json.loads(path.read_text())
        name, found = spec["pipeline"]["name"], []
        if name.startswith("bc_"):
            continue
        graph.inputs[name] = combination(json_format.ParseDict(spec["input"], Input()), found)
        graph.pipelines.add(name)
        graph.nodes[name] = "running"
        graph.edges += [(source, name, glob) for source, glob in found]
    for source, _, _ in graph.edges:
        graph.nodes.setdefault(source, "")
    return graph


@pytest.fixture(scope="module")
def breast_cancer() -> Graph:
    return graph_of(Path(__file__).parents[1] / "specs" / "breast_cancer")


def test_edges_that_would_cross_are_drawn_in_lanes_and_inputs_as_they_nest(breast_cancer):
    assert text(breast_cancer) == BREAST_CANCER_PICTURE


def test_a_line_that_passes_a_lane_crosses_it_and_leaves_it_whole():
    graph = Graph(
        {"a": "running", "b": "running", "c": "running", "one": "", "two": ""},
        {"a", "b", "c"},
        [("one", "a", "/"), ("two", "a", "/"), ("one", "b", "/"), ("a", "b", "/"), ("two", "c", "/"), ("a", "c", "/")],
        {"a": "{} × {}", "b": "{} ∪ {}", "c": "{} × {}"},
    )
    assert (
        text(graph)
        == """\
( one )  ●
( two )  │  ●
[ a ]    ○──○──●  one:/ × two:/
[ b ]    ○──┼──○  one:/ ∪ a:/
[ c ]       ○──○  two:/ × a:/
"""
    )


def test_the_picture_in_lanes_has_a_ring_for_each_reader_and_says_what_is_read(breast_cancer):
    root = ElementTree.fromstring(svg(breast_cancer))
    inside = "{http://www.w3.org/2000/svg}"
    rings = [element for element in root.iter(f"{inside}circle") if element.get("class") == "ring"]
    assert len(rings) == len(breast_cancer.edges)
    words = {element.text for element in root.iter(f"{inside}text")}
    assert set(breast_cancer.nodes) | {"crop:/(*) ⋈ generate_heatmaps:/(*)"} <= words


def test_the_iris_pipelines_are_drawn_with_their_globs():
    assert text(IRIS) == IRIS_PICTURE


def test_an_empty_pachd_has_an_answer_too():
    assert text(Graph()) == "there are no repos yet\n"


def test_an_edge_over_several_layers_passes_each_in_a_column_of_its_own():
    assert [set(row) for row in layers(LONG)] == [{"r"}, {"a", "r>c@1"}, {"b", "a>c@2", "r>c@2"}, {"c"}]
    ends = {(a.split(">")[0], b) for a, b, _ in segments(LONG) if b == "c"}
    assert ends == {("a", "c"), ("b", "c"), ("r", "c")}
    drawn = text(LONG).splitlines()
    assert all(not ("│" in line and "[ b ]" in line) or line.count("│") == 2 for line in drawn)


def test_every_corner_of_a_drawing_is_joined_on_its_sides():
    sides = {"│": "ud", "─": "lr", "┌": "dr", "┐": "dl", "└": "ur", "┘": "ul", "├": "udr", "┤": "udl"}
    sides |= {"┬": "dlr", "┴": "ulr", "┼": "udlr"}
    for graph in (IRIS, LONG):
        lines = text(graph).splitlines()
        at = {(y, x): c for y, line in enumerate(lines) for x, c in enumerate(line)}
        for (y, x), character in at.items():
            for side in sides.get(character, ""):
                dy, dx = {"u": (-1, 0), "d": (1, 0), "l": (0, -1), "r": (0, 1)}[side]
                assert at.get((y + dy, x + dx), " ") != " ", f"{character} at {y},{x} leads nowhere:\n" + "\n".join(
                    lines
                )


def test_mermaid_and_json_hold_every_edge():
    assert '    train -->|"/"| inference' in mermaid(IRIS)
    assert "    attributes([attributes])" in mermaid(IRIS) and "    train[train]" in mermaid(IRIS)
    assert {"from": "attributes", "to": "inference", "glob": "/*"} in document(IRIS)["edges"]
    assert {"name": "train", "kind": "pipeline", "state": "running"} in document(IRIS)["nodes"]


def test_the_svg_is_well_formed_and_names_every_node():
    for graph in (IRIS, LONG):
        root = ElementTree.fromstring(svg(graph))
        names = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
        assert set(graph.nodes) <= names
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == len(segments(graph))
