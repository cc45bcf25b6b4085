"""Workers: as many sandboxes as a pipeline asks for, started when there is work, with its variables, code and secrets.

One thread (the scheduler's) owns pools and workers.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from workshop.pachd import accounts, containers, ids, runner
from workshop.pachd.containers import EngineFault
from workshop.pachd.model import PipelineName
from workshop.pachd.pps.records import Pipeline
from workshop.pachd.runner import Isolation, Place, Sandbox, SandboxLost, Spares
from workshop.pachd.store import Store

log = logging.getLogger(__name__)

# What of the daemon's own environment user code sees: the machine's part of what an image would bring.
PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS"),
)


@dataclass(frozen=True)
class Image:
    """What this machine knows of an image: which of our files are where in it."""

    code: dict[str, list[Path]] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    folder: str = ""  # its working directory


class Images:
    """The table that says which image holds which code (docker/images.json); its paths count from the folder above it.

    It is read again when it has changed. Raises ValueError if it cannot be read at first; later the last one is kept.
    """

    def __init__(self, table: Path | None = None) -> None:
        self._table = table
        self._read_at = -1.0
        self._known: dict[str, Image] = {}
        if table is not None:
            self._read(table)

    def find(self, name: str) -> Image | None:
        """The entry of an image."""
        if self._table is not None:
            try:
                self._read(self._table)
            except ValueError as error:
                log.warning("%s", error)
        return self._known.get(name)

    def _read(self, table: Path) -> None:
        root = table.resolve().parent.parent
        try:
            changed = table.stat().st_mtime
            if changed == self._read_at:
                return
            entries = json.loads(table.read_text())
            self._known = {
                image: Image(
                    {place: [root / path for path in paths] for place, paths in entry.get("code", {}).items()},
                    entry.get("env", {}),
                    entry.get("workdir", ""),
                )
                for image, entry in entries.items()
                if isinstance(entry, dict)
            }
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"the table of images {table} cannot be read: {error}") from None
        self._read_at = changed


UNTRIED = Isolation("paths")


@dataclass
class Surroundings:
    """What all workers of this daemon share."""

    store: Store
    images: Images
    host: str = "127.0.0.1"
    port: int = 0
    secret: str = field(default_factory=ids.new_id)
    isolation: Isolation = UNTRIED
    spares: Spares | None = None

    @property
    def folder(self) -> Path:
        return self.store.folder / "workers"

    def token(self, pipeline: PipelineName) -> str:
        """What user code of a spout shows the daemon to be let write to the spout's output."""
        proof = blake2b(str(pipeline).encode(), key=self.secret.encode(), digest_size=16).hexdigest()
        return f"worker:{pipeline}:{proof}"

    def holder(self, token: str) -> PipelineName | None:
        """The pipeline whose token this is."""
        kind, _, rest = token.partition(":")
        project, slash, name = rest.rpartition(":")[0].partition("/")
        if kind != "worker" or not slash:
            return None
        pipeline = PipelineName(project, name)
        return pipeline if hmac.compare_digest(self.token(pipeline), token) else None


class Worker:
    """One worker of a pool: a sandbox and what has been sent to it."""

    def __init__(self, pool: Pool, number: int) -> None:
        self.pool, self.number = pool, number
        self.name = f"{pool.name.project}-{pool.name.name}-v{pool.version}-{number:05}"  # as a pod's
        self.sandbox: Sandbox | None = None
        self.waiting: dict[int, int] = {}  # index of a datum sent -> how many before it were sent; in order
        self.current: tuple[int, int] | None = None  # (index, ns since the epoch when it was started)
        self.jobs: set[Any] = set()
        self.chunk = 1  # how many datums to send at once
        self.sent_at = 0.0
        self.used_at = time.monotonic()
        self.starts = 0

    def start(self) -> Sandbox:
        """The worker's sandbox, started if need be: it takes commands before it is ready. Raises SandboxLost."""
        if self.sandbox is None:
            pool, shared = self.pool, self.pool.shared
            place = Place(pool.folder / str(self.number), shared.store.blobs.folder, pool.code(), pool.engine())
            self.pack, _ = shared.store.blobs.take_pack()
            self.starts += 1
            self.sandbox = Sandbox(
                place,
                self.pack,
                [shared.isolation.mode],
                batching=pool.batching,
                open_to_all=bool(pool.account) or place.engine is not None,
                process=shared.spares.take() if shared.spares is not None else None,
            )
            self.jobs.clear()
            self.waiting.clear()
            self.current = None
        return self.sandbox

    def take_new_pack(self) -> None:
        """Let the sandbox write on to a fresh pack."""
        assert self.sandbox is not None
        number, _ = self.pool.shared.store.blobs.take_pack()
        self.sandbox.send(("pack", number))
        self.pool.shared.store.blobs.give_back(self.pack)
        self.pack = number

    def give(self, key: Any, settings: dict[str, Any], datums: list[tuple[int, Any, Any]], last: bool) -> None:
        """Send datums of a job (`last`: up to the end of a set), and the job itself before the first."""
        sandbox = self.start()
        if key not in self.jobs:
            self.jobs.add(key)
            sandbox.send(("job", key, self._settled(settings)))
        sandbox.send(("datums", key, [self._fixed(datum) for datum in datums], last))
        for datum in datums:
            self.waiting[datum[0]] = len(self.waiting)
        self.sent_at = self.used_at = time.monotonic()

    def _settled(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings with what only this worker knows: its name, where its /pfs is."""
        assert self.sandbox is not None
        env = {
            **settings["env"],
            "PPS_POD_NAME": self.name,
            "PPS_WORKER_IP": "127.0.0.1",
        }
        if self.sandbox.mode != "paths":
            return {**settings, "env": env}
        fix = runner.paths_replacer(self.sandbox)
        fixed = {**settings, "env": {name: fix(value) for name, value in env.items()}}
        for key in ("cmd", "err_cmd"):
            fixed[key] = [fix(word) for word in settings.get(key) or []]
        for key in ("stdin", "err_stdin"):
            if settings.get(key) is not None:
                fixed[key] = fix(settings[key].decode()).encode()
        for key in ("working_dir", "default_dir"):
            fixed[key] = fix(settings.get(key) or "")
        return fixed

    def _fixed(self, datum: tuple[int, Any, Any]) -> tuple[int, Any, Any]:
        assert self.sandbox is not None
        if self.sandbox.mode != "paths":
            return datum
        fix = runner.paths_replacer(self.sandbox)
        return datum[0], {name: fix(value) for name, value in datum[1].items()}, datum[2]

    def stop_job(self, key: Any) -> None:
        """Drop a job's datums and kill what runs for it."""
        if self.sandbox is not None and key in self.jobs:
            self.jobs.discard(key)
            self.waiting.clear()
            self.current = None
            with contextlib.suppress(SandboxLost):
                self.sandbox.send(("stop", key))

    def close(self, lost: bool = False) -> None:
        """End the sandbox and what runs in it."""
        if self.sandbox is not None:
            (self.sandbox.kill if lost else self.sandbox.close)()
            engine = self.pool.shared.isolation.engine
            if engine is not None:
                engine.sweep(containers.WORKER, str(self.sandbox.place.folder))
            self.pool.shared.store.blobs.give_back(self.pack)
            self.sandbox.place.remove()
            self.sandbox = None
        self.waiting.clear()
        self.jobs.clear()
        self.current = None


class Pool:
    """The workers of one version of a pipeline."""

    def __init__(self, shared: Surroundings, pipeline: Pipeline) -> None:
        self.shared, self.name, self.version = shared, pipeline.name, pipeline.version
        self.spec_commit = pipeline.spec_commit  # tells a pipeline from one of the same name that was deleted
        details = pipeline.details
        self.transform = details.get("transform", {})
        self.batching = bool(self.transform.get("datumBatching"))
        self.contained = shared.isolation.engine is not None
        self.image = None if self.contained else shared.images.find(self.transform.get("image", ""))
        self.folder = shared.folder / f"{self.name.project}.{self.name.name}.{self.spec_commit[:8]}"
        size = int(details.get("parallelismSpec", {}).get("constant") or 1)
        self.workers = [Worker(self, number) for number in range(size)]
        self.account = accounts.of(self.transform.get("user", ""), shared.isolation)
        self._code: dict[str, Path] | None = None

    def fault(self) -> str:
        """Why this pipeline cannot work on this machine; "" when it can."""
        if not self.transform.get("cmd"):
            return "nothing to run: no transform.cmd"
        user, engine = self.transform.get("user", ""), self.shared.isolation.engine
        if engine is None:
            return accounts.lookup(user)[1] if user else ""
        image = self.transform.get("image", "")
        try:
            there = engine.has(image)
        except EngineFault as error:
            return f"{engine.name} does not answer: {error}"
        mend = f"`{engine.name} pull {image}` or build it, then run `pachctl rerun pipeline {self.name.name}`"
        return "" if there else f"image {image} is one that this machine does not have: {mend}"

    def engine(self) -> dict[str, str] | None:
        """What a sandbox needs to know to run user code in containers."""
        engine = self.shared.isolation.engine
        if engine is None:
            return None
        image, state = self.transform.get("image", ""), str(self.shared.store.folder.absolute())
        return {"name": engine.name, "program": engine.program, "image": image, "state": state}

    def code(self) -> dict[str, Path]:
        """The image's code as folders of this machine, copied when the pool first needs it."""
        if self._code is None:
            self._code = {}
            for number, (place, paths) in enumerate((self.image or Image()).code.items()):
                folder = self.folder / "code" / str(number)
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                for path in paths:
                    if path.is_dir():
                        ignored = shutil.ignore_patterns("__pycache__")
                        shutil.copytree(path, folder, ignore=ignored, dirs_exist_ok=True)  # its contents, as COPY does
                    elif path.is_file():
                        shutil.copy2(path, folder / path.name)
                    else:
                        log.warning("image %s: %s is not there", self.transform.get("image"), path)
                self._code[place] = folder
        return self._code

    def add_secret(self, place: str, values: dict[str, bytes]) -> None:
        """Files of a secret, one for each key, to be found at a place of the worker's file system."""
        folder = self.folder / "secrets" / place.strip("/").replace("/", ".")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for key, value in values.items():
            (folder / key).write_bytes(value)
        self.code()[place] = folder

    def settings(self, secrets: dict[str, str], details: dict[str, Any], spec_commit: str) -> dict[str, Any]:
        """What all datums of a job have in common, but for the job's own variables."""
        transform = self.transform
        timeout = details.get("datumTimeout")
        return {
            "cmd": list(transform.get("cmd", ())),
            "stdin": _lines(transform.get("stdin")),
            "err_cmd": list(transform.get("errCmd", ())),
            "err_stdin": _lines(transform.get("errStdin")),
            "env": self._env(secrets, spec_commit),
            "tries": int(details.get("datumTries") or 3),
            "timeout": float(timeout.rstrip("s")) if timeout else None,
            "accept": [int(code) for code in transform.get("acceptReturnCode", ())],
            "working_dir": transform.get("workingDir", ""),
            "default_dir": (self.image or Image()).folder,
            "account": self.account,
            "batching": self.batching,
        }

    def _env(self, secrets: dict[str, str], spec_commit: str) -> dict[str, str]:
        """The image's variables, then the spec's, then secrets, then Pachyderm's own, which win."""
        shared = self.shared
        env = {} if self.contained else _machine_env()
        env |= (self.image or Image()).env
        env |= {name: str(value) for name, value in self.transform.get("env", {}).items()}
        env |= secrets
        port = str(shared.port)
        return {
            **env,
            "PACH_IN_WORKER": "true",
            "PACH_NAMESPACE": "default",
            "PACH_ROOT": "/pach",
            "PEER_PORT": port,
            "PACHD_PEER_SERVICE_HOST": shared.host,
            "PACHD_PEER_SERVICE_PORT": port,
            "PACHD_SERVICE_HOST": shared.host,
            "PACHD_SERVICE_PORT": port,
            "PPS_PROJECT_NAME": self.name.project,
            "PPS_PIPELINE_NAME": self.name.name,
            "PPS_SPEC_COMMIT": spec_commit,
            "PPS_ETCD_PREFIX": "pachyderm_pps",
            "STORAGE_BACKEND": "LOCAL",
            "STORAGE_URL": "",
        }

    def open_workers(self) -> Iterable[Worker]:
        return [worker for worker in self.workers if worker.sandbox is not None]

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _lines(lines: list[str] | None) -> bytes | None:
    return None if not lines else ("\n".join(lines) + "\n").encode()


def _machine_env() -> dict[str, str]:
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    env["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), env.get("PATH", os.defpath)))
    return env


def fileset_id() -> str:
    return ids.new_id()
