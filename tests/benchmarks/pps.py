"""Pipelines against the physical floor: `python tests/benchmarks/pps.py [ROW ...]`.

Everything is measured in one run on one machine, side by side. CPU = seconds (user + system) of the whole process
tree; the floor is Python's posix_spawn of the same commands, by as many workers, which keeps nothing. Rows:
1 first run, 2 batched, 3 nothing changed, 4 one of N changed, 5 +10 and -10, 6 Iris-like DAG, 7 torch inferences,
8 growth, 9 the rows that a cluster was measured at. N files are given with --files (default 1000; rows 3, 4 and 8 also
use 10 times as many; row 9 has its own numbers).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import python_pachyderm
from python_pachyderm.proto.v2.pps import pps_pb2 as pps

ROOT = Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process, its descendants, and all children that they have waited for."""
    stats = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                rest = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                stats[int(name)] = (int(rest[1]), sum(map(int, rest[11:15])))
    total, wanted = 0, {pid}
    while wanted:
        total += sum(stats[p][1] for p in wanted if p in stats)
        wanted = {p for p, (parent, _) in stats.items() if parent in wanted}
    return total / TICK


def rss(pid: int) -> float:
    """Resident MB of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


class Daemon:
    """A daemon of its own on a fresh state folder."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="pps-bench-")
        command = [sys.executable, "-m", "workshop.pachd", "--state", f"{self.folder}/state", "--port", "0"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        assert self.process.stdout
        line = self.process.stdout.readline().decode()
        self.port = int(line.rsplit(":", 1)[1])
        self.client = python_pachyderm.Client("127.0.0.1", self.port)
        time.sleep(0.4)  # the probe of private mounts

    def cpu(self) -> float:
        return tree_cpu(self.process.pid)

    def rss(self) -> float:
        return rss(self.process.pid)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------ pipelines

    def put(self, repo: str, files: dict[str, bytes], delete=()) -> str:
        with self.client.commit(repo, "master") as commit:
            if files or delete:
                with self.client.modify_file_client(commit) as change:
                    for path in delete:
                        change.delete_file(path)
                    for path, content in files.items():
                        change.put_file_from_bytes(path, content)
        return commit.id

    def make(self, name: str, command: list[str], source, workers=1, stdin=(), batching=False, env=None) -> str:
        transform = pps.Transform(cmd=command, stdin=stdin, image="any", datum_batching=batching, env=env or {})
        self.client.create_pipeline(
            name, transform, input=source, parallelism_spec=pps.ParallelismSpec(constant=workers)
        )
        return next(self.client.list_job(name)).job.id

    def wait(self, name: str, job: str):
        info = next(iter(self.client.inspect_job(job, name, wait=True)))
        if info.state != pps.JOB_SUCCESS:
            raise SystemExit(f"job {name}@{job} ended in state {info.state}: {info.reason}")
        return info


def pfs_input(repo: str, glob: str = "/*"):
    return pps.Input(pfs=pps.PFSInput(repo=repo, glob=glob))


def some_files(number: int, seed: int = 0) -> dict[str, bytes]:
    source = random.Random(seed)
    return {f"/f{n:06}": source.randbytes(1024) for n in range(number)}


def floor(files: dict[str, bytes], workers: int = 2) -> tuple[float, float]:
    """(CPU, wall) seconds of `cp` of each file, by as many threads that spawn and wait."""
    with tempfile.TemporaryDirectory(prefix="pps-floor-") as name:
        folder = Path(name)
        for part in ("in", "out"):
            (folder / part).mkdir()
        for path, content in files.items():
            (folder / "in" / path[1:]).write_bytes(content)

        def work(some: list[str]) -> None:
            for path in some:
                pid = os.posix_spawn("/bin/cp", ["cp", f"{name}/in{path}", f"{name}/out{path}"], os.environ)
                os.waitpid(pid, 0)

        paths = list(files)
        before, begun = sum(os.times()[:4]), time.perf_counter()
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, [paths[n::workers] for n in range(workers)]))
        return sum(os.times()[:4]) - before, time.perf_counter() - begun


def peers(files: dict[str, bytes]) -> dict[str, float]:
    """CPU seconds of GNU make and ninja for the same copies, where they are installed."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="pps-peers-") as name:
        folder = Path(name)
        for part in ("in", "out"):
            (folder / part).mkdir()
        for path, content in files.items():
            (folder / "in" / path[1:]).write_bytes(content)
        names = " ".join(f"out{path}" for path in files)
        (folder / "Makefile").write_text(f"all: {names}\nout/%: in/%\n\tcp $< $@\n")
        rules = "".join(f"build out{path}: cp in{path}\n" for path in files)
        (folder / "build.ninja").write_text(f"rule cp\n  command = cp $in $out\n{rules}")
        for tool, command in (("make", ["make", "-s", "-j2"]), ("ninja", ["ninja", "-j2", "--quiet"])):
            if shutil.which(tool):
                before = sum(os.times()[2:4])
                subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
                found[tool] = sum(os.times()[2:4]) - before
                shutil.rmtree(folder / "out")
                (folder / "out").mkdir()
    return found


# ------------------------------------------------------------------ rows

COPY = ["cp", "-r", "/pfs/data/.", "/pfs/out/"]


def row_1(options) -> None:
    """First run: N files, cp each, two workers."""
    for name, found in _first_runs(options, options.files).items():
        print(f"row 1 {name}: {found}")


def _first_runs(options, number: int) -> dict[str, str]:
    ratios, walls, own = [], [], []
    files = some_files(number)
    peer: dict[str, float] = {}
    for _ in range(options.repeat):
        daemon = Daemon()
        try:
            daemon.client.create_repo("data")
            daemon.put("data", files)
            base_cpu, base_wall = floor(files)
            before, begun = daemon.cpu(), time.perf_counter()
            job = daemon.make("p", COPY, pfs_input("data"), 2)
            daemon.wait("p", job)
            wall = time.perf_counter() - begun
            spent = daemon.cpu() - before
            ratios.append(spent / base_cpu)
            walls.append(wall / base_wall)
            own.append(spent / number * 1000)
            peer = peer or {tool: cpu / base_cpu for tool, cpu in peers(files).items()}
        finally:
            daemon.close()
    shown = ", ".join(f"{tool} {ratio:.2f}" for tool, ratio in peer.items())
    return {
        f"N={number}": f"{statistics.median(ratios):.2f} x the floor's CPU (bar 2.0, aim 1.6; {shown or 'no peers'}), "
        f"{statistics.median(own):.2f} ms CPU a datum, wall {statistics.median(walls):.2f} x"
    }


LOOPS = {  # user code that copies its datum, by how it asks for the next one
    "python_pachyderm": "import os, shutil\nfrom python_pachyderm import Client\nworker = Client().worker\n"
    "while True:\n    with worker.batch_datum():\n        shutil.copy(os.environ['data'], '/pfs/out/')\n",
    "a bare gRPC channel": "import grpc, os, shutil\n"
    "channel = grpc.insecure_channel('127.0.0.1:' + os.environ['PPS_WORKER_GRPC_PORT'])\n"
    "ask = channel.unary_unary('/pachyderm.worker.Worker/NextDatum')\nwhile True:\n    ask(b'')\n"
    "    for name in os.listdir('/pfs/data'):\n        shutil.copyfile('/pfs/data/' + name, '/pfs/out/' + name)\n",
    "a bare socket": """import os, shutil, socket, struct
sock = socket.create_connection(("127.0.0.1", int(os.environ["PPS_WORKER_GRPC_PORT"])))
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def frame(kind, flags, stream, body):
    return struct.pack(">BHBBI", 0, len(body), kind, flags, stream) + body
path = b"/pachyderm.worker.Worker/NextDatum"
headers = b"\\x83\\x86\\x04" + bytes([len(path)]) + path + b"\\x0f\\x10\\x10application/grpc"
sock.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + frame(4, 0, 0, b"") + frame(4, 1, 0, b""))
stream = 1
while True:
    sock.sendall(frame(1, 4, stream, headers) + frame(0, 1, stream, bytes(5)) + frame(8, 0, 0, b"\\0\\0\\2\\0"))
    answer = b""
    while not answer.endswith(b"grpc-status\\x010"):
        answer = sock.recv(65536)
        if not answer:
            raise SystemExit
    for name in os.listdir("/pfs/data"):
        shutil.copyfile("/pfs/data/" + name, "/pfs/out/" + name)
    stream += 2
""",
}


def row_2(options) -> None:
    """The same, batched: with the unmodified client, and with what asks for datums more cheaply."""
    for kind, loop in LOOPS.items():
        found, walls = [], []
        for _ in range(options.repeat):
            daemon = Daemon()
            try:
                daemon.client.create_repo("data")
                daemon.put("data", some_files(options.files))
                costs = {}
                for size in (options.files // 10, options.files):
                    glob = "/*" if size == options.files else "/f0000*"
                    name = f"p{size}"
                    before, begun = daemon.cpu(), time.perf_counter()
                    job = daemon.make(name, [sys.executable, "-c", loop], pfs_input("data", glob), 2, batching=True)
                    info = daemon.wait(name, job)
                    costs[info.data_total] = (daemon.cpu() - before, time.perf_counter() - begun)
                    daemon.client.delete_pipeline(name)
                (few, (cpu_few, wall_few)), (many, (cpu_many, wall_many)) = sorted(costs.items())
                found.append((cpu_many - cpu_few) / (many - few) * 1000)
                walls.append((wall_many - wall_few) / (many - few) * 1000)
            finally:
                daemon.close()
        print(
            f"row 2 batched, asked for through {kind}: {statistics.median(found):.3f} ms CPU and "
            f"{statistics.median(walls):.3f} ms wall a datum, user code included, starts of processes not (bar 0.15 ms)"
        )


def row_3(options) -> None:
    """A new commit in which nothing changed."""
    for number in (options.files, 10 * options.files):
        daemon = Daemon()
        try:
            daemon.client.create_repo("data")
            daemon.put("data", some_files(number))
            daemon.wait("p", daemon.make("p", ["true"], pfs_input("data"), 2))
            walls, spent = [], -daemon.cpu()
            for _ in range(20):
                begun = time.perf_counter()
                info = daemon.wait("p", daemon.put("data", {}))
                walls.append((time.perf_counter() - begun) * 1000)
                assert info.data_skipped == number, info.data_skipped
            spent += daemon.cpu()
            print(
                f"row 3 nothing changed, N={number}: {statistics.median(walls):.1f} ms from StartCommit "
                f"to the job's end, {spent / 20 * 1000:.1f} ms CPU of the daemon (bar 10)"
            )
        finally:
            daemon.close()


def row_4(options) -> None:
    """One file of many changed."""
    number = 10 * options.files
    daemon = Daemon()
    try:
        daemon.client.create_repo("data")
        daemon.put("data", some_files(number))
        daemon.wait("p", daemon.make("p", COPY, pfs_input("data"), 2))
        walls, spent = [], -daemon.cpu()
        for n in range(20):
            begun = time.perf_counter()
            info = daemon.wait("p", daemon.put("data", {"/f000007": b"%d" % n}))
            walls.append((time.perf_counter() - begun) * 1000)
            assert (info.data_processed, info.data_skipped) == (1, number - 1)
        spent += daemon.cpu()
        _, one = floor({"/f000007": b"x"}, 1)
        print(
            f"row 4 one of {number} changed: {statistics.median(walls):.1f} ms from StartCommit to "
            f"the job's end, {spent / 20 * 1000:.1f} ms CPU in all; the bare process takes {one * 1000:.1f} "
            f"(bar 50 beyond it)"
        )
    finally:
        daemon.close()


def row_5(options) -> None:
    """Ten files more, ten files less."""
    daemon = Daemon()
    try:
        daemon.client.create_repo("data")
        files = some_files(options.files)
        daemon.put("data", files)
        daemon.wait("p", daemon.make("p", COPY, pfs_input("data"), 2))
        names = list(files)
        walls = []
        _, ten = floor({f"/{n}": b"x" for n in range(10)}, 2)
        for n in range(5):
            more = {f"/new{n}-{k}": b"x%d" % n for k in range(10)}
            begun = time.perf_counter()
            info = daemon.wait("p", daemon.put("data", more, names[10 * n : 10 * n + 10]))
            walls.append((time.perf_counter() - begun) * 1000)
            assert (info.data_processed, info.data_skipped) == (10, options.files - 10 + 10 * n - 10 * n)
            there = sum(1 for _ in daemon.client.list_file(("p", "master"), "/"))
            assert there == options.files, there
        print(
            f"row 5 +10 and -10 of {options.files}: {statistics.median(walls):.1f} ms, of which ten bare processes "
            f"{ten * 1000:.1f} (bar 20 beyond them)"
        )
    finally:
        daemon.close()


SCRIPTS = {
    "pre": "import csv, json\nrows = list(csv.reader(open(IN + '/iris.csv')))\n"
    "json.dump(rows, open(OUT + '/rows.json', 'w'))",
    "train": "import csv, json\njson.dump(len(json.load(open(IN + '/rows.json'))), open(OUT + '/model.json', 'w'))",
    "infer": "import csv, json, os\nm = json.load(open(MODEL + '/model.json'))\n"
    "for n in os.listdir(IN):\n  open(OUT + '/' + n, 'w').write(str(m + len(open(IN + '/' + n).read())))",
}


def row_6(options) -> None:
    """Four tiny Python processes: pre -> train -> infer x 2."""
    iris = b"5.1,3.5,1.4,0.2,setosa\n" * 150
    python = sys.executable

    def script(name: str, source: str, out: str, model: str = "") -> list[str]:
        return [python, "-c", f"IN, OUT, MODEL = {source!r}, {out!r}, {model!r}\n" + SCRIPTS[name]]

    def bare() -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as name:
            for part in ("in", "rows", "model", "a", "b", "out"):
                os.mkdir(f"{name}/{part}")
            Path(f"{name}/in/iris.csv").write_bytes(iris)
            for part in "ab":
                Path(f"{name}/{part}/{part}.csv").write_bytes(b"1")
            before, begun = sum(os.times()[2:4]), time.perf_counter()
            subprocess.run(script("pre", f"{name}/in", f"{name}/rows"), check=True)
            subprocess.run(script("train", f"{name}/rows", f"{name}/model"), check=True)
            both = [
                subprocess.Popen(script("infer", f"{name}/{part}", f"{name}/out", f"{name}/model")) for part in "ab"
            ]
            assert not any(process.wait() for process in both)
            return sum(os.times()[2:4]) - before, time.perf_counter() - begun

    results: dict[str, list[tuple[float, float]]] = {"bare": [], "first": [], "changed": [], "nothing": []}
    for repeat in range(options.repeat):
        daemon = Daemon()
        try:
            for repo in ("training", "attributes"):
                daemon.client.create_repo(repo)
            daemon.make("pre", script("pre", "/pfs/training", "/pfs/out"), pfs_input("training", "/"))
            daemon.make("train", script("train", "/pfs/pre", "/pfs/out"), pfs_input("pre", "/"))
            cross = pps.Input(cross=[pfs_input("attributes"), pfs_input("train", "/")])
            last = daemon.make("infer", script("infer", "/pfs/attributes", "/pfs/out", "/pfs/train"), cross, 2)
            daemon.wait("infer", last)
            daemon.wait("infer", daemon.put("attributes", {"/a.csv": b"1", "/b.csv": b"1"}))
            results["bare"].append(bare())
            for kind, files in (
                ("first", {"/iris.csv": iris}),
                ("changed", {"/iris.csv": iris + b"%d,1,1,1,setosa\n" % repeat}),
                ("nothing", {}),
            ):
                before, begun = daemon.cpu(), time.perf_counter()
                daemon.wait("infer", daemon.put("training", files))
                results[kind].append((daemon.cpu() - before, time.perf_counter() - begun))
        finally:
            daemon.close()
    medians = {k: (statistics.median(c for c, _ in v), statistics.median(w for _, w in v)) for k, v in results.items()}
    base = medians["bare"]
    for kind in ("first", "changed"):
        cpu, wall = medians[kind]
        print(
            f"row 6 DAG {kind}: {wall / base[1]:.2f} x the four processes' wall, {cpu / base[0]:.2f} "
            f"x their CPU (bar 1.5)"
        )
    print(f"row 6 DAG nothing changed: {medians['nothing'][1] * 1000:.1f} ms through three pipelines (bar 5)")


TORCH = (
    "import os, torch\nfrom python_pachyderm import Client\nmodel = torch.nn.Linear(1024, "
    "3)\nworker = Client().worker\nwhile True:\n"
    "    with worker.batch_datum():\n        data = open(os.environ['data'], 'rb').read()\n"
    "        x = torch.frombuffer(bytearray(data), dtype=torch.uint8).float()\n"
    "        open('/pfs/out/' + os.path.basename(os.environ['data']), 'w').write(str(int(model(x).argmax())))\n"
)


def row_7(options) -> None:
    """Inferences with torch, batched, against one process that does them all."""
    files = some_files(options.files)
    bare = (
        "import os, sys, torch\nfrom python_pachyderm import Client\nmodel = "
        "torch.nn.Linear(1024, 3)\nfor n in os.listdir(sys.argv[1]):\n"
        "    data = open(sys.argv[1] + '/' + n, 'rb').read()\n"
        "    x = torch.frombuffer(bytearray(data), dtype=torch.uint8).float()\n"
        "    open(sys.argv[2] + '/' + n, 'w').write(str(int(model(x).argmax())))\n"
    )
    environment = {"OMP_NUM_THREADS": "1"}
    ratios = []
    for _ in range(options.repeat):
        with tempfile.TemporaryDirectory() as name:
            for part in ("in", "out"):
                os.mkdir(f"{name}/{part}")
            for path, content in files.items():
                Path(f"{name}/in{path}").write_bytes(content)
            command = [sys.executable, "-c", bare, f"{name}/in", f"{name}/out"]
            begun = time.perf_counter()
            subprocess.run(command, check=True, env={**os.environ, **environment})
            alone = time.perf_counter() - begun
        daemon = Daemon()
        try:
            daemon.client.create_repo("data")
            daemon.put("data", files)
            begun = time.perf_counter()
            job = daemon.make("p", [sys.executable, "-c", TORCH], pfs_input("data"), 1, batching=True, env=environment)
            daemon.wait("p", job)
            ratios.append((time.perf_counter() - begun) / alone)
        finally:
            daemon.close()
    print(
        f"row 7 {options.files} batched inferences: {statistics.median(ratios):.2f} x one process "
        f"that does them all (bar 1.2)"
    )


def row_8(options) -> None:
    """Growth: ms a datum at N and at 10 N, and the daemon's memory."""
    found = {}
    for number in (options.files, 10 * options.files):
        daemon = Daemon()
        try:
            daemon.client.create_repo("data")
            daemon.put("data", some_files(number))
            before = daemon.cpu()
            daemon.wait("p", daemon.make("p", COPY, pfs_input("data"), 2))
            found[number] = ((daemon.cpu() - before) / number * 1000, daemon.rss())
        finally:
            daemon.close()
    (few, (cost_few, _)), (many, (cost_many, memory)) = found.items()
    print(
        f"row 8 growth: {cost_few:.2f} ms CPU a datum at {few}, {cost_many:.2f} at {many}: "
        f"{cost_many / cost_few:.2f} x "
        f"(bar 1.15); daemon's RSS {memory:.0f} MB (bar 120)"
    )


REAL = {  # seconds that Pachyderm 2.12 took on a one-node cluster: 2 cores, 24 GiB, one run, otherwise idle
    "put + commit 10,000 files of 1 KiB": (2.2, 2),
    "one of 10,000 files changed": (0.22, 10),
    "one file more": (0.44, 10),
    "list_file of 10,000": (0.66, 2),
    "put 1 GiB": (9.9, 2),
    "get 1 GiB": (4.6, 2),
    "1,000 cp datums, created to done": (21.2, 20),
    "all 1,000 changed": (26.5, 10),
    "nothing changed, 1,000 skipped": (1.19, 10),
    "one of 1,000 changed": (1.64, 10),
    "+10 and -10 of 1,000": (2.45, 10),
    "four-stage DAG, created to done": (14.5, 20),
    "four-stage DAG, data changed": (7.7, 10),
}


def row_9(options) -> None:
    """What a cluster was measured at, by the same calls."""
    found: dict[str, list[float]] = {}
    for _ in range(options.repeat):
        daemon = Daemon()
        try:
            for work, seconds in (*_real_files(daemon), *_real_datums(daemon), *_real_dag(daemon)):
                found.setdefault(work, []).append(seconds)
        finally:
            daemon.close()
    for work, times in found.items():
        real, bar = REAL[work]
        ours = statistics.median(times)
        print(
            f"row 9 {work}: {ours:.3f} s; a cluster on such a machine took {real:g} s, {real / ours:.3g} x as long "
            f"(aim {bar} x)"
        )


def _timed(action) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _real_files(daemon: Daemon) -> list[tuple[str, float]]:
    """The rows on files alone."""
    client, files = daemon.client, some_files(10000)
    client.create_repo("files")
    client.create_repo("big")
    gigabyte = Path(daemon.folder) / "gigabyte"
    with gigabyte.open("wb") as out:
        for _ in range(64):
            out.write(os.urandom(16 << 20))

    def put_one() -> None:
        with client.commit("big", "master") as commit, gigabyte.open("rb") as source:
            client.put_file_bytes(commit, "/one", source)

    def get_one() -> None:
        source = client.get_file(("big", "master"), "/one")
        while source.read(1 << 20):
            pass

    return [
        ("put + commit 10,000 files of 1 KiB", _timed(lambda: daemon.put("files", files))),
        ("one of 10,000 files changed", _timed(lambda: daemon.put("files", {"/f000007": b"x"}))),
        ("one file more", _timed(lambda: daemon.put("files", {"/more": b"x"}))),
        ("list_file of 10,000", _timed(lambda: list(client.list_file(("files", "master"), "/")))),
        ("put 1 GiB", _timed(put_one)),
        ("get 1 GiB", _timed(get_one)),
    ]


def _real_datums(daemon: Daemon) -> list[tuple[str, float]]:
    """The rows on one pipeline."""
    client, files = daemon.client, some_files(1000)
    client.create_repo("data")
    daemon.put("data", files)

    def again(changed: dict[str, bytes], delete=()) -> float:
        return _timed(lambda: daemon.wait("copy", daemon.put("data", changed, delete)))

    more = {f"/new{n}": b"x" for n in range(10)}
    return [
        (
            "1,000 cp datums, created to done",
            _timed(lambda: daemon.wait("copy", daemon.make("copy", COPY, pfs_input("data"), 2))),
        ),
        ("all 1,000 changed", again(some_files(1000, 1))),
        ("nothing changed, 1,000 skipped", again({})),
        ("one of 1,000 changed", again({"/f000007": b"x"})),
        ("+10 and -10 of 1,000", again(more, list(files)[:10])),
    ]


def _real_dag(daemon: Daemon) -> list[tuple[str, float]]:
    """Four stages that copy a file on."""
    daemon.client.create_repo("first")
    daemon.put("first", {"/a": b"1"})

    def create() -> None:
        job = ""
        for before, name in (("first", "s1"), ("s1", "s2"), ("s2", "s3"), ("s3", "s4")):
            job = daemon.make(name, ["sh", "-c", f"cat /pfs/{before}/a > /pfs/out/a"], pfs_input(before))
        daemon.wait("s4", job)

    created = _timed(create)
    changed = _timed(lambda: daemon.wait("s4", daemon.put("first", {"/a": b"2"})))
    return [("four-stage DAG, created to done", created), ("four-stage DAG, data changed", changed)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="numbers of rows (default: all)")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the median is shown")
    options = parser.parse_args()
    for number in options.rows or "123456789":
        globals()[f"row_{number}"](options)


if __name__ == "__main__":
    main()
