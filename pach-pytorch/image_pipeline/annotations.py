"""The boxes of one image: read the VOC XML, then make its boxes true of the picture at hand. Does no I/O.

What becomes of each odd case is said here once (`POLICY`) and noted with the image, so that nothing happens silently.
"""

from __future__ import annotations

import math
from typing import NamedTuple
from xml.etree import ElementTree

POLICY = {
    "annotation missing": "used whole",
    "annotation has no object": "used whole",
    "no box within the image": "used whole",
    "box clamped": "used, the box cut to the image",
    "box reversed": "used, the corners swapped",
    "box empty": "used without that box",
    "boxes scaled": "used, the boxes scaled: the XML gives another size of the same shape",
    "size ignored": "used, boxes as they are: the XML gives another size of another shape",
    "annotation unreadable": "quarantined",
}
"""What was found → what is done, for an image whose pixels can be read."""


class AnnotationError(Exception):
    """The annotation cannot be read, so the image's boxes are unknown; the text is the reason."""


class Annotation(NamedTuple):
    """What the XML says: the image's size (or zeros) and corners in VOC's way (from 1, both ends belong)."""

    width: float
    height: float
    boxes: list[tuple[float, float, float, float]]


def parse(xml: bytes) -> Annotation:
    """Read a VOC annotation. Raises AnnotationError."""
    try:
        root = ElementTree.fromstring(xml)
        size = root.find("size")
        width = _number(size, "width") if size is not None else 0.0
        height = _number(size, "height") if size is not None else 0.0
        boxes = []
        for thing in root.iter("object"):
            box = thing.find("bndbox")
            if box is None:
                raise AnnotationError("an object has no bndbox")
            boxes.append(tuple(_number(box, edge) for edge in ("xmin", "ymin", "xmax", "ymax")))
    except ElementTree.ParseError as error:
        raise AnnotationError(f"not XML: {error}") from error
    return Annotation(width, height, boxes)


def _number(element: ElementTree.Element, name: str) -> float:
    text = element.findtext(name, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AnnotationError(f"<{name}> is {text.strip()!r}, not a number")
    return value


def true_boxes(
    annotation: Annotation | None, width: int, height: int
) -> tuple[list[tuple[int, int, int, int]], list[str]]:
    """(boxes, notes) for a picture of width x height pixels; at least one box.

    Boxes are left, top, right, bottom in pixels counted from 0, where right and bottom do not belong to the box; they
    lie within the picture and have an area. Notes are keys of POLICY, each once, in the order they were met.
    """
    whole = (0, 0, width, height)
    if annotation is None:
        return [whole], ["annotation missing"]
    if not annotation.boxes:
        return [whole], ["annotation has no object"]
    notes: dict[str, None] = {}
    scale_x = scale_y = 1.0
    if annotation.width > 0 and annotation.height > 0 and (annotation.width, annotation.height) != (width, height):
        across, down = width / annotation.width, height / annotation.height
        if abs(across * annotation.height - height) <= max(1.0, 0.01 * height):
            scale_x, scale_y = across, down
            notes["boxes scaled"] = None
        else:
            notes["size ignored"] = None
    boxes = []
    for x_first, y_first, x_last, y_last in annotation.boxes:
        if x_last < x_first - 1 or y_last < y_first - 1:
            notes["box reversed"] = None
            x_first, x_last = min(x_first, x_last), max(x_first, x_last)
            y_first, y_last = min(y_first, y_last), max(y_first, y_last)
        left, right = round((x_first - 1) * scale_x), round(x_last * scale_x)
        top, bottom = round((y_first - 1) * scale_y), round(y_last * scale_y)
        if right <= left or bottom <= top:
            notes["box empty"] = None
            continue
        inside = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
        if inside != (left, top, right, bottom):
            notes["box clamped"] = None
        if inside[2] > inside[0] and inside[3] > inside[1]:
            boxes.append(inside)
    if not boxes:
        notes["no box within the image"] = None
        boxes = [whole]
    return boxes, list(notes)
