"""The house's laws, read off the syntax trees: one way only, pure rooms stay pure, scripts stand alone."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACHD = ROOT / "workshop" / "pachd"

# A module may import only from rungs below its own. The first prefix that matches decides.
RUNGS = [
    ("workshop.pachd.__main__", 9),
    ("workshop.pachd.server", 8),
    ("workshop.pachd.wire", 7),
    ("workshop.pachd.scheduler", 7),
    ("workshop.pachd.workers", 6),
    ("workshop.pachd.runner", 5),
    ("workshop.pachd.sandbox", 5),
    ("workshop.pachd.containers", 4),
    ("workshop.pachd.pps", 4),
    ("workshop.pachd.pfs", 3),
    ("workshop.pachd.store", 2),
    ("workshop.pachd", 1),  # the pure modules
]
PURE = ["model", "errors", "ids", "glob", "datums", "provenance", "spec", "cron"]
STANDARD = sys.stdlib_module_names


def statements(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """What a file imports at run time (what is under TYPE_CHECKING is left out)."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return [node for node in nodes if id(node) not in typing_only]


def imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports, and of what it takes from them."""
    found = set()
    for node in statements(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rung(module: str) -> int:
    return next(level for prefix, level in RUNGS if module == prefix or module.startswith(prefix + "."))


def room(module: str) -> str:
    """The prefix that decides a module's rung, so that siblings of one room may import each other."""
    prefix = next(prefix for prefix, _ in RUNGS if module == prefix or module.startswith(prefix + "."))
    return module if prefix == "workshop.pachd" else prefix


DAEMON_FILES = sorted(PACHD.rglob("*.py"))


@pytest.mark.parametrize("path", DAEMON_FILES, ids=name_of)
def test_a_module_imports_only_from_lower_rungs(path):
    me = name_of(path)
    for other in imports(path):
        if not other.startswith("workshop.pachd.") or room(other) == room(me):
            continue
        higher = rung(other) > rung(me) or (rung(other) == rung(me) and rung(me) > 1)
        assert not higher, f"{me} imports {other}, which is not below it"


def test_wire_and_scheduler_never_import_each_other():
    for path in DAEMON_FILES:
        me = name_of(path)
        if me.startswith("workshop.pachd.wire"):
            assert not {m for m in imports(path) if m.startswith("workshop.pachd.scheduler")}, me
        if me.startswith("workshop.pachd.scheduler"):
            assert not {m for m in imports(path) if m.startswith("workshop.pachd.wire")}, me


@pytest.mark.parametrize("module", PURE)
def test_the_pure_modules_need_the_standard_library_alone_and_do_no_io(module):
    for path in [PACHD / f"{module}.py", *(PACHD / module).glob("*.py")]:
        if not path.exists():
            continue
        for other in imports(path):
            top = other.split(".")[0]
            assert top in STANDARD or other.startswith("workshop.pachd"), f"{module} imports {other}"
            assert top not in {"os", "socket", "sqlite3", "subprocess", "pathlib", "tempfile", "shutil"}, (
                f"{module}: {other}"
            )


def test_messages_and_contexts_live_in_wire_alone_and_sql_in_no_pure_room():
    for path in DAEMON_FILES:
        me, text = name_of(path), path.read_text()
        if not me.startswith(("workshop.pachd.wire", "workshop.pachd.server")):
            assert "ServicerContext" not in text and "_pb2" not in text, me
            assert not {m for m in imports(path) if m.startswith("workshop.pachd.wire")}, me


def test_sql_lies_with_the_store_and_the_verbs_that_own_the_rows():
    for path in DAEMON_FILES:
        if name_of(path).startswith(("workshop.pachd.store", "workshop.pachd.pfs", "workshop.pachd.pps")):
            continue
        found = re.findall(r'"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH) [^"]*', path.read_text())
        assert not found, f"{name_of(path)}: {found}"


def test_the_command_line_reaches_data_through_the_wire_alone():
    for path in sorted((ROOT / "workshop").rglob("*.py")):
        if PACHD in path.parents:
            continue
        inner = {m for m in imports(path) if m.startswith("workshop.pachd")}
        assert not inner, f"{name_of(path)} imports {inner}: use python_pachyderm.Client"


def test_scripts_in_containers_import_nothing_of_the_workshop():
    for path in sorted((ROOT / "pach-pytorch").rglob("*.py")):
        assert not {m for m in imports(path) if m.split(".")[0] == "workshop"}, path


def test_no_module_is_longer_than_400_lines():
    """Past that ask which two rooms it is. The list of exceptions is for files with a reason."""
    reasons: dict[str, str] = {}
    for path in [*(ROOT / "workshop").rglob("*.py"), *(ROOT / "pach-pytorch").rglob("*.py")]:
        lines = len(path.read_text().splitlines())
        name = str(path.relative_to(ROOT))
        assert lines <= 400 or name in reasons, f"{name} has {lines} lines"


def test_no_modules_import_each_other_in_a_circle():
    """Also not by imports within functions: whatever is of two rooms at once is a third."""
    files = {name_of(path): path for path in (ROOT / "workshop").rglob("*.py")}
    left = {module: _needed(path, files.keys()) - {module} for module, path in files.items()}
    while free := {module for module, others in left.items() if not others & left.keys()}:
        left = {module: others for module, others in left.items() if module not in free}
    assert not left, f"in or above a circle: {sorted(left)}"


def _needed(path: Path, modules: Collection[str]) -> set[str]:
    """The modules whose own names a file uses; a package that it names on the way to a module of it is none of them."""
    found = set()
    for node in statements(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= below | (set() if below <= set(modules) else {node.module or ""})
    return found & set(modules)
