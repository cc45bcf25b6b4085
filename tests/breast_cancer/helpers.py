"""Running the stages as their containers do, and the small exam of the golden set that is kept here."""

import contextlib
import importlib
import io
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ROOT / "pach-pytorch" / "breast_cancer"
if str(CODE) not in sys.path:
    sys.path.insert(0, str(CODE))

import exam_list  # noqa: E402
import images  # noqa: E402
import make_sample  # noqa: E402
import stage  # noqa: E402

# The phantoms of the small golden set: both large enough for patches, and quick.
SMALL_EXAM = {"L-CC": (470, 430, 1), "R-CC": (430, 450, 2), "L-MLO": (480, 440, 3), "R-MLO": (450, 460, 4)}


def run_stage(
    script: str, *arguments: object, status: int = 0, timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """Runs a stage as its container does; asserts its exit status."""
    done = subprocess.run(
        [sys.executable, str(CODE / script), *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def call_stage(script: str, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    """`run_stage` in this process: the same exit status and words, without a second start of PyTorch."""
    main = importlib.import_module(script.removesuffix(".py")).main
    code = 0
    with contextlib.redirect_stderr(io.StringIO()) as words:
        try:
            stage.run(lambda _: main([str(one) for one in arguments]))
        except SystemExit as stopped:
            code = stopped.code
    assert code == status, words.getvalue()
    return subprocess.CompletedProcess([script, *arguments], code, "", words.getvalue())


def write_small_exam(folder: Path) -> Path:
    """The small golden set's exam, in the layout of the Pachyderm example."""
    folder.mkdir(parents=True, exist_ok=True)
    for view, (height, width, seed) in SMALL_EXAM.items():
        pixels = make_sample.phantom(view, height, width, 9000 + seed)
        images.write_png(pixels, folder / f"{view.replace('-', '_')}.png")
    exam = {"horizontal_flip": "NO", **{view: [view.replace("-", "_")] for view in exam_list.VIEWS}}
    exam_list.save_exam_list([exam], folder / "gen_exam_list_before_cropping.pkl")
    return folder
