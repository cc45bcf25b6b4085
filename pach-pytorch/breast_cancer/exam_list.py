"""Exam lists: which image files make an exam, and what each stage found out about them.

An exam list is a pickle of a list of dicts. Each dict has `horizontal_flip` ('YES' or 'NO') and, for each of the four
views, a list of file names without their extension. The crop stage adds `window_location`, `rightmost_points`,
`bottommost_points` and `distance_from_starting_side`, extract_centers adds `best_center`; each of these is a dict from
view to a list parallel to the view's files. The Pachyderm example keeps one exam in a list, the format allows several.
"""

import io
import os.path
import pickle
from pathlib import Path
from typing import Any

from stage import StageError, whole_file

VIEWS = ("L-CC", "R-CC", "L-MLO", "R-MLO")
LABELS = ("left_benign", "right_benign", "left_malignant", "right_malignant")

CROP_KEYS = ("window_location", "rightmost_points", "bottommost_points", "distance_from_starting_side")
CENTER_KEY = "best_center"
THRESHOLD_KEY = "background_threshold"

Exam = dict[str, Any]


def side(view: str) -> str:
    """'L' or 'R'."""
    return view[0]


def angle(view: str) -> str:
    """'CC' or 'MLO'."""
    return view[2:]


def points_right(view: str, horizontal_flip: str) -> bool:
    """Whether the breast in an image of this view points to the right as it is stored."""
    return (side(view) == "L") == (horizontal_flip == "NO")


# Plain values that have no opcode of their own in every pickle protocol.
_CONTAINERS = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("__builtin__", "set"): set,
    ("__builtin__", "frozenset"): frozenset,
    ("collections", "OrderedDict"): dict,
    ("builtins", "bytes"): lambda: b"",
    ("__builtin__", "bytes"): lambda: b"",
}


class _PlainUnpickler(pickle.Unpickler):
    """Reads containers, strings and numbers, and the NumPy scalars that older tools leave in exam lists.

    A pickle is a program; this refuses, by name, every function that such a program could ask for.
    """

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy._core.multiarray", "numpy.core.multiarray") and name == "scalar":
            return _numpy_scalar
        if module == "numpy" and name == "dtype":
            return _NumericType
        if (module, name) == ("_codecs", "encode"):
            return _latin1_bytes
        if (module, name) in _CONTAINERS:
            return _CONTAINERS[module, name]
        raise StageError(
            f"the exam list asks for {module}.{name}, which is not plain data; "
            "an exam list holds lists, dicts, strings and numbers only"
        )

    def persistent_load(self, _pid: Any) -> Any:
        raise StageError("the exam list refers to objects outside itself; it is not a plain pickle")


class _NumericType:
    """Stands for numpy.dtype while a list is read: only plain numbers have one here."""

    def __init__(self, name: str, *_flags: Any) -> None:
        import numpy

        if not isinstance(name, str) or name.lstrip("<>=|") not in _NUMERIC:
            raise StageError(f"the exam list holds a NumPy value of type {name!r}; only plain numbers are read")
        self.dtype = numpy.dtype(name)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


_NUMERIC = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


def _numpy_scalar(kind: Any, data: Any = b"") -> Any:
    import numpy

    if not isinstance(kind, _NumericType) or not isinstance(data, bytes) or len(data) != kind.dtype.itemsize:
        raise StageError("the exam list holds a NumPy value that is not a plain number")
    return numpy.frombuffer(data, dtype=kind.dtype)[0].item()


def _latin1_bytes(text: Any, encoding: Any = "latin1") -> bytes:
    """Pickle protocol 2 writes bytes as text with its encoding."""
    if not isinstance(text, str) or encoding != "latin1":
        raise StageError("the exam list holds bytes in an unknown encoding")
    return text.encode("latin1")


def loads(data: bytes) -> Any:
    """The plain Python value of a pickle; raises StageError naming whatever else it asks for."""
    try:
        return _PlainUnpickler(io.BytesIO(data)).load()
    except StageError:
        raise
    except Exception as error:
        # A broken pickle can fail in any way at all: ValueError, EOFError, KeyError, AttributeError ...
        raise StageError(f"not a pickled exam list ({type(error).__name__}: {error})") from None


def load_exam_list(path: Path, *, after_crop: bool = False, after_centers: bool = False) -> list[Exam]:
    """The exams of a list, checked as far as the stage that reads it needs."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise StageError(f"{path}: the exam list cannot be read ({error.strerror})") from None
    try:
        exams = loads(data)
        check_exam_list(exams, after_crop=after_crop, after_centers=after_centers)
    except StageError as error:
        raise StageError(f"{path}: {error}") from None
    return exams


def save_exam_list(exams: list[Exam], path: Path) -> None:
    """Writes the list as the original's tools read it: plain values, pickle protocol 3."""
    with whole_file(Path(path)) as temporary:
        temporary.write_bytes(pickle.dumps(exams, protocol=3))


def check_exam_list(exams: Any, *, after_crop: bool, after_centers: bool) -> None:
    """Raises StageError unless this is a list of exams with what the stages before must have added."""
    if not isinstance(exams, list) or not exams:
        raise StageError("not an exam list: a non-empty list of exams is expected")
    for number, exam in enumerate(exams):
        where = f"exam {number}: " if len(exams) > 1 else ""
        if not isinstance(exam, dict):
            raise StageError(f"{where}an exam is a dict, not {type(exam).__name__}")
        if exam.get("horizontal_flip") not in ("YES", "NO"):
            raise StageError(f"{where}horizontal_flip is {exam.get('horizontal_flip')!r}; it must be 'YES' or 'NO'")
        for view in VIEWS:
            names = exam.get(view, [])
            if not isinstance(names, list) or not all(is_plain_name(name) for name in names):
                raise StageError(f"{where}{view} must be a list of plain file names without folders")
        if not any(exam.get(view) for view in VIEWS):
            raise StageError(f"{where}no images are listed")
        needed = [(key, "crop") for key in CROP_KEYS] if after_crop or after_centers else []
        needed += [(CENTER_KEY, "extract_centers")] if after_centers else []
        for key, stage in needed:
            for view in VIEWS:
                per_view = exam.get(key)
                values = per_view.get(view, []) if isinstance(per_view, dict) else None
                if not isinstance(values, list) or len(values) != len(exam.get(view, [])):
                    raise StageError(f"{where}{key} is missing or incomplete for {view}; run {stage} first")
    names = [name for exam in exams for view in VIEWS for name in exam.get(view, [])]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice:
        raise StageError(f"the file {min(twice)} is listed twice; every image must have a name of its own")


def is_plain_name(name: Any) -> bool:
    """Whether a name stays inside its folder: not empty, no separators, not '.' or '..'."""
    return isinstance(name, str) and name not in ("", ".", "..") and os.path.basename(name) == name and "\0" not in name


def require_all_views(exams: list[Exam], allow_missing: bool = False) -> None:
    """Raises StageError naming the views that have no image, unless that is allowed."""
    for number, exam in enumerate(exams):
        missing = [view for view in VIEWS if not exam.get(view)]
        if missing and not allow_missing:
            where = f"exam {number}: " if len(exams) > 1 else ""
            raise StageError(
                f"{where}no image for {', '.join(missing)}; the classifier needs all four views "
                "(crop, centres and heatmaps alone can do with fewer: --allow-missing-views)"
            )


def background_threshold(exam: Exam) -> int:
    """The pixel value up to which the crop stage took this exam's pixels for background; normally 0."""
    return int(exam.get(THRESHOLD_KEY, 0))


def images(exams: list[Exam]) -> list[tuple[int, str, int, str]]:
    """Every image in the order in which all stages walk: (exam number, view, number within the view, file name)."""
    return [
        (number, view, index, name)
        for number, exam in enumerate(exams)
        for view in VIEWS
        for index, name in enumerate(exam.get(view, []))
    ]


def exam_ids(exams: list[Exam], given: list[str]) -> list[str]:
    """A name for each exam: the given ones, else what its file names have in common, else its place in the list."""
    if given and len(given) != len(exams):
        raise StageError(f"{len(given)} --exam-id for {len(exams)} exams; give one for each, or none")
    if given:
        if not all(is_plain_name(name) for name in given):
            raise StageError("an --exam-id is a plain name without folders")
        return list(given)
    found = []
    for number, exam in enumerate(exams):
        # The original's sample calls its files 0_L_CC, 0_R_CC ...
        stems = {name.removesuffix("_" + view.replace("-", "_")) for view in VIEWS for name in exam.get(view, [])}
        stem = min(stems)
        named = len(stems) == 1 and all(name != stem for view in VIEWS for name in exam.get(view, []))
        found.append(stem if named else str(number))
    return found if len(set(found)) == len(found) else [str(number) for number in range(len(exams))]
