"""What a scenario sees, and the normal form in which two servers' answers can be compared.

A scenario is a function taking a Session, marked with @scenario, in a module of scenarios/pfs or scenarios/pps; each
gets a project of its own. Ids, hashes, times, durations and worker names become numbered words in order of first
appearance, so equality between two of them within a scenario is kept; everything else (names, sizes, states, orders,
texts, gRPC codes) is kept as it is.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import threading
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import python_pachyderm
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from python_pachyderm.proto.v2.pfs import pfs_pb2, pfs_pb2_grpc
from python_pachyderm.proto.v2.pps import pps_pb2, pps_pb2_grpc
from python_pachyderm.proto.v2.transaction import transaction_pb2_grpc

SCENARIOS_FOLDER = Path(__file__).parent / "scenarios"
SCENARIOS: dict[str, Callable[[Session], None]] = {}


def scenario(function: Callable[[Session], None]) -> Callable[[Session], None]:
    """Mark a function as a scenario, named <module>.<function>."""
    SCENARIOS[f"{Path(function.__code__.co_filename).stem}.{function.__name__}"] = function
    return function


class Normalizer:
    """Replace what may differ between two right servers by words that keep equality."""

    PATTERNS = (
        ("time", re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")),
        ("datum", re.compile(r"\b[0-9a-f]{64}\b")),
        ("id", re.compile(r"\b[0-9a-f]{32}\b")),
        ("worker", re.compile(r"\b[a-z0-9-]+-v\d+-[a-z0-9]{5}\b")),
    )
    HASH_KEYS = {"hash", "salt"}
    TIME_KEYS = {
        *("started", "finished", "finishing", "created", "created_at", "updated_at", "ts", "creation_timestamp"),
    }
    DURATION_KEYS = {
        *("download_time", "process_time", "upload_time", "compacting_time", "validating_time", "duration", "time"),
    }
    DROP_KEYS = {"worker_id", "worker_status", "image_id", "details_json", "effective_spec_json", "user_spec_json"}

    def __init__(self, project: str) -> None:
        self.project = project
        self._seen: dict[str, dict[str, int]] = {}

    def _word(self, kind: str, value: str) -> str:
        numbered = self._seen.setdefault(kind, {})
        return f"<{kind}{numbered.setdefault(value, len(numbered) + 1)}>"

    def text(self, value: str) -> str:
        value = value.replace(self.project, "<project>")
        if value.startswith("panic:"):
            return "panic"
        value = re.sub(r"\b(int_id=|\(id=)\d+", r"\1<row>", value)
        for kind, pattern in self.PATTERNS:
            if kind == "time":
                value = pattern.sub("<time>", value)
            else:
                value = pattern.sub(lambda match, kind=kind: self._word(kind, match.group(0)), value)  # type: ignore[misc]
        return value

    def any(self, value: Any, key: str | None = None) -> Any:
        if isinstance(value, Message):
            return self.any(MessageToDict(value, preserving_proto_field_name=True))
        if isinstance(value, dict):
            if _is_commit(value):  # its branch is informational once there is an id, and pachd 2.12 leaves it out
                value = {"id": value["id"], "repo": value.get("repo") or value["branch"].get("repo", {})}
            return {self.text(str(k)): self.any(v, k) for k, v in value.items() if k not in self.DROP_KEYS}
        if isinstance(value, (list, tuple)):
            return [self.any(item, key) for item in value]
        if isinstance(value, bytes):
            return (
                self.text(value.decode("utf-8", "backslashreplace")) if len(value) <= 4000 else f"<{len(value)} bytes>"
            )
        if isinstance(value, str):
            if key in self.HASH_KEYS:
                return self._word("hash", value)
            if key in self.TIME_KEYS:
                return "<time>"
            if key in self.DURATION_KEYS and re.fullmatch(r"[\d.]+s", value):
                return "<duration>"
            return self.text(value)
        return value


def _is_commit(value: dict) -> bool:
    return "id" in value and isinstance(value.get("branch"), dict) and set(value) <= {"id", "branch", "repo"}


class Session:
    """What a scenario sees: a client `c`, raw stubs, a project of its own, and step() to call and record."""

    def __init__(self, host: str, port: int) -> None:
        self.c = python_pachyderm.Client(host, port)
        options = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]
        self.channel = grpc.insecure_channel(f"{host}:{port}", options)
        self.pfs, self.pps = pfs_pb2_grpc.APIStub(self.channel), pps_pb2_grpc.APIStub(self.channel)
        self.transaction = transaction_pb2_grpc.APIStub(self.channel)
        self.project = "p" + uuid.uuid4().hex[:10]
        self.normal = Normalizer(self.project)
        self.steps: list[dict[str, Any]] = []

    def step(self, label: str, call: Callable[..., Any], *args: Any, timeout: float = 90, **kwargs: Any) -> Any:
        """Call, record the answer (streams as lists) or the error in normal form; the raw answer, None on error."""
        box: dict[str, Any] = {}

        def work() -> None:
            try:
                answer = call(*args, **kwargs)
                if hasattr(answer, "__next__"):
                    answer = list(answer)
                box["answer"] = answer
            except Exception as error:  # every way of failing is an answer to compare
                box["error"] = error

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(timeout)
        if thread.is_alive():
            self.steps.append({"step": label, "timeout": timeout})
            return None
        if "error" in box:
            self.steps.append({"step": label, **self._refusal(box["error"])})
            return None
        self.steps.append({"step": label, "answer": self.normal.any(box["answer"])})
        return box["answer"]

    def _refusal(self, error: Exception) -> dict[str, str]:
        if not isinstance(error, grpc.RpcError) and not hasattr(error, "code"):
            return {"raised": type(error).__name__, "details": self.normal.text(str(error))}
        code = error.code() if callable(getattr(error, "code", None)) else "?"
        details = error.details() if callable(getattr(error, "details", None)) else str(error)
        return {"error": getattr(code, "name", str(code)), "details": self.normal.text(details or "")}

    def note(self, label: str, value: Any) -> None:
        """Record a value worked out by the scenario itself."""
        self.steps.append({"step": label, "answer": self.normal.any(value)})

    def clean_up(self) -> None:
        """Remove the scenario's project and all in it; what cannot be removed stays."""
        mine = [pfs_pb2.Project(name=self.project)]
        pipelines = pps_pb2.DeletePipelinesRequest(projects=mine, force=True)
        repos = pfs_pb2.DeleteReposRequest(projects=mine, force=True)
        for call in (
            lambda: self.pps.DeletePipelines(pipelines, timeout=60),
            lambda: self.pfs.DeleteRepos(repos, timeout=60),
            lambda: self.c.delete_project(self.project, force=True),
        ):
            try:
                call()
            except Exception:  # a scenario may leave behind what its server cannot delete
                continue


def load(names: list[str] | None = None) -> list[str]:
    """Import the scenario modules; the names of the scenarios wanted (a module, a scenario, or all), as folder/name."""
    sys.modules.setdefault("recorder", sys.modules[__name__])
    if str(SCENARIOS_FOLDER) not in sys.path:
        sys.path.insert(0, str(SCENARIOS_FOLDER))
    found = []
    for path in sorted(SCENARIOS_FOLDER.glob("p[fp]s/*.py")):
        if path.stem.startswith("_"):
            continue
        if path.stem not in sys.modules:
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            spec.loader.exec_module(module)
        found += [f"{path.parent.name}/{name}" for name in sorted(SCENARIOS) if name.startswith(path.stem + ".")]
    return [name for name in found if not names or any(_named(name, wanted) for wanted in names)]


def _named(name: str, wanted: str) -> bool:
    folder, scenario_name = name.split("/")
    return wanted in (folder, name, scenario_name, scenario_name.split(".")[0])


def record(name: str, host: str, port: int) -> dict[str, Any]:
    """Run one scenario against a server; its name, its steps and, when the scenario itself broke, the crash."""
    function = SCENARIOS[name.split("/")[1]]
    session, crash = Session(host, port), None
    try:
        session.c.create_project(session.project)
        function(session)
    except Exception:
        crash = session.normal.text(traceback.format_exc(limit=-2))
    session.clean_up()
    session.channel.close()
    made: dict[str, Any] = {"scenario": name.split("/")[1], "steps": session.steps}
    return {**made, "crash": crash} if crash else made


def write(result: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
