"""How fast and how small the file system is, side by side with git and with raw gRPC in one run.

python tests/benchmarks/pfs.py [ROW ...]     rows 1 to 8 of the table (default: all); --quick makes everything smaller

CPU is that of client and server together. Ratios are medians of runs that take turns, so a busy machine slows both.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import grpc
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb

from workshop.testing import Pachd

MIB = 1 << 20
MESSAGE = 19 * MIB  # as python-pachyderm sends
OPTIONS = [("grpc.max_receive_message_length", 64 * MIB), ("grpc.max_send_message_length", 64 * MIB)]
CLUSTER = {  # seconds on a real Pachyderm 2.12 on such a machine, not taken in this run
    "put 10,000": 2.2,
    "one changed": 0.22,
    "list 10,000": 0.66,
    "put 1 GiB": 9.9,
    "get 1 GiB": 4.6,
}


def cpu(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """The most memory a process has had resident, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 // 10**6


def usage(folder: Path) -> tuple[int, int]:
    """(bytes allocated, inodes) of a folder."""
    files = [folder, *folder.rglob("*")]
    return sum(file.stat().st_blocks * 512 for file in files), len(files)


def timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def row(number: int, what: str, measured: str, bar: str, holds: bool) -> None:
    print(f"{number}  {what:<46} {measured:<58} bar {bar:<24} {'ok' if holds else 'MISSED'}", flush=True)


def against_cluster(name: str, seconds: float) -> str:
    return f"{CLUSTER[name] / seconds:.1f} x faster than a cluster took ({CLUSTER[name]} s)"


# ------------------------------------------------------------------ raw gRPC, to compare with


class Raw:
    """A bare gRPC server as a process of its own: swallows a stream, or sends the messages of a file so many times."""

    def __init__(self, data: Path, times: int = 1) -> None:
        arguments = [sys.executable, __file__, "--serve", str(data), "--times", str(times)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.channel = grpc.insecure_channel(f"127.0.0.1:{int(self.process.stdout.readline())}", options=OPTIONS)

    def swallow(self, messages: Iterator[bytes]) -> None:
        self.channel.stream_unary("/raw/Swallow")(messages)

    def send(self, parse: Callable[[bytes], object] | None = None) -> int:
        return sum(1 for _ in self.channel.unary_stream("/raw/Send", response_deserializer=parse)(b""))

    def close(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def serve(data: str, times: int) -> None:
    messages: list[bytes] = []
    content = Path(data).read_bytes()
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        messages.append(content[at + 4 : at + 4 + length])
        at += 4 + length
    messages *= times

    def swallow(stream: Iterator[bytes], context: object) -> bytes:
        for _ in stream:
            pass
        return b""

    handlers = {
        "Swallow": grpc.stream_unary_rpc_method_handler(swallow),
        "Send": grpc.unary_stream_rpc_method_handler(lambda request, context: iter(messages)),
    }
    server = grpc.server(futures.ThreadPoolExecutor(4), options=OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("raw", handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


# ------------------------------------------------------------------ the work


def put_many(daemon: Pachd, repo: str, files: list[tuple[str, bytes]], append: bool = False) -> None:
    """Three messages a file (delete, make, fill), or two: a file that is appended to is not deleted before."""
    client = daemon.client()
    client.create_repo(repo)
    with client.commit(repo, "master") as commit, client.modify_file_client(commit) as changes:
        for path, data in files:
            changes.put_file_from_bytes(path, data, append=append)


def put_folder(daemon: Pachd, repo: str, folder: Path) -> None:
    """One message: the daemon, which runs where the files are, reads them itself."""
    client = daemon.client()
    client.create_repo(repo)
    with client.commit(repo, "master") as commit:
        client.put_file_url(commit, "/", f"file://{folder}", recursive=True)


def swallowed(raw: Raw, files: list[tuple[str, bytes]]) -> None:
    """The messages of put_many, made and sent the same way, to a server that drops them."""
    from python_pachyderm.mixin.pfs import ModifyFileClient

    changes = ModifyFileClient(("files", "master"))
    for path, data in files:
        changes.put_file_from_bytes(path, data)
    send = raw.channel.stream_unary("/raw/Swallow", request_serializer=pb.ModifyFileRequest.SerializeToString)
    send(changes._reqs())


def fast_put(daemon: Pachd, repo: str, count: int) -> None:
    """The same without the client's cost: for preparing large repos."""
    client = daemon.client()
    client.create_repo(repo)
    stub = daemon_stub(daemon)
    named = pb.Repo(name=repo, type="user", project=pb.Project(name="default"))

    def requests() -> Iterator[pb.ModifyFileRequest]:
        yield pb.ModifyFileRequest(set_commit=pb.Commit(repo=named, branch=pb.Branch(repo=named, name="master")))
        request = pb.ModifyFileRequest()
        for number in range(count):
            request.add_file.path = f"/file-{number:06d}"
            request.add_file.raw.value = b"%d" % number * 100
            yield request

    stub.ModifyFile(requests())


def daemon_stub(daemon: Pachd):
    from python_pachyderm.proto.v2.pfs import pfs_pb2_grpc

    return pfs_pb2_grpc.APIStub(grpc.insecure_channel(daemon.address, options=OPTIONS))


def kilobytes(count: int) -> list[tuple[str, bytes]]:
    return [(f"/file-{number:05d}", os.urandom(1024)) for number in range(count)]


def git_put(folder: Path, files: list[tuple[str, bytes]]) -> float:
    """CPU seconds of git add and git commit."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, data in files:
        (folder / path[1:]).write_bytes(data)
    script = "git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm files"
    before = os.times()
    subprocess.run(["sh", "-c", script], cwd=folder, check=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def bulk(folder: Path, count: int, rounds: int) -> None:
    """Rows 1, 3 and 9: files put and committed, beside git."""
    ways = ("put_file_from_bytes", "the same, append=True", "put_file_url of the folder", "to a server that drops it")
    ours: dict[str, list[float]] = {way: [] for way in ways}
    daemons: list[float] = []
    gits, walls, disk, inodes = [], [], [], []
    (folder / "none").write_bytes(b"")
    for turn in range(rounds):
        files = kilobytes(count)
        gits.append(git_put(folder / "git", files))
        shutil.rmtree(folder / "git" / ".git")
        with Pachd(folder / f"bulk{turn}", "--allow-files", str(folder)) as daemon:
            put_many(daemon, "warm", files[:1])
            pid = daemon.process.pid

            def measure(way: str, pid: int, work: Callable[[], None]) -> float:
                mine, theirs = time.process_time(), cpu(pid)
                wall, theirs = timed(work), cpu(pid) - theirs
                ours[way].append(time.process_time() - mine + theirs)
                if way == ways[0]:
                    daemons.append(theirs)
                return wall

            walls.append(measure(ways[0], pid, lambda d=daemon, f=files: put_many(d, "files", f)))
            before = usage(daemon.state)[1]
            daemon.client().put_file_bytes(("files", "master"), "/more", b"x")
            inodes.append(usage(daemon.state)[1] - before)
            daemon.stop()
            disk.append(usage(folder / f"bulk{turn}")[0] / (count * 1024))
            daemon.start()
            pid = daemon.process.pid
            put_many(daemon, "warm2", files[:1])
            other = [(path, data[::-1]) for path, data in files]
            measure(ways[1], pid, lambda d=daemon, f=other: put_many(d, "append", f, append=True))
            for path, data in files:
                (folder / "git" / path[1:]).write_bytes(data[1:] + b"!")
            measure(ways[2], pid, lambda d=daemon: put_folder(d, "folder", folder / "git"))
            assert sum(1 for _ in daemon.client().list_file(("folder", "master"), "/")) == count
        raw = Raw(folder / "none")
        measure(ways[3], raw.process.pid, lambda r=raw, f=files: swallowed(r, f))
        raw.close()
        shutil.rmtree(folder / f"bulk{turn}")
    git = statistics.median(gits)
    print(f"1  CPU of client and server for {count:,} x 1 KiB; git {git:.2f} s")
    for way in ways:
        mine = statistics.median(ours[way])
        text = f"{mine:.2f} s: {mine / git:.2f} x git"
        if way == ways[0]:
            text += f" ({statistics.median(daemons):.2f} s of it the daemon's)"
        row(1, f"  {way}", text, "<= 1.1 x git" if way != ways[3] else "", mine <= 1.1 * git or way == ways[3])
    row(
        3,
        f"disk for {count:,} x 1 KiB",
        f"{statistics.median(disk):.3f} x content, {max(inodes)} inodes a commit",
        "<= 1.15 x, <= 10",
        statistics.median(disk) <= 1.15 and max(inodes) <= 10,
    )
    wall = statistics.median(walls)
    row(
        9,
        "put_file_from_bytes, wall",
        f"{wall:.2f} s: {against_cluster('put 10,000', wall)}",
        ">= 2 x",
        CLUSTER["put 10,000"] >= 2 * wall,
    )


def one_changed(folder: Path, sizes: tuple[int, ...], puts: int) -> None:
    """Rows 2 and 9: one file of many changed."""
    medians = []
    with Pachd(folder / "changed") as daemon:
        for size in sizes:
            fast_put(daemon, f"r{size}", size)
        client = daemon.client()
        times: dict[int, list[float]] = {size: [] for size in sizes}
        for number in range(puts):
            for size in sizes:
                path = f"/file-{number * 37 % size:06d}"
                target = (f"r{size}", "master")
                times[size].append(timed(lambda t=target, p=path: client.put_file_bytes(t, p, os.urandom(1024))))
        medians = [statistics.median(times[size]) for size in sizes]
    text = ", ".join(f"{size:,}: {median * 1000:.1f} ms" for size, median in zip(sizes, medians, strict=True))
    even = max(medians) <= 1.5 * min(medians)
    row(2, "one file changed, commit", text, "<= 10 ms, even", even and max(medians) <= 0.010)
    row(9, "the same", against_cluster("one changed", medians[0]), ">= 10 x", CLUSTER["one changed"] >= 10 * medians[0])


def no_new_bytes(folder: Path, size: int) -> None:
    """Row 4: what is stored already costs no content bytes."""
    with Pachd(folder / "again") as daemon:
        client = daemon.client()
        client.create_repo("r")
        data = os.urandom(MIB)

        class Large:
            sent = 0

            def read(self, amount: int = -1) -> bytes:
                if self.sent >= size:
                    return b""
                self.sent += MIB
                return self.sent.to_bytes(8, "big") + data[8:]

        client.put_file_bytes(("r", "master"), "/large", Large())
        before = sum(file.stat().st_size for file in (daemon.state / "packs").iterdir())
        client.put_file_bytes(("r", "other"), "/again", Large())
        client.copy_file(("r", "master"), "/large", ("r", "master"), "/copy")
        client.create_branch("r", "fork", head_commit=("r", "master"))
        after = sum(file.stat().st_size for file in (daemon.state / "packs").iterdir())
    row(4, f"{size // MIB} MiB put again, copied, forked", f"{after - before} new content bytes", "0", after == before)


def listing(folder: Path, count: int, rounds: int) -> None:
    """Rows 5 and 9: a listing beside the same bytes streamed raw."""
    with Pachd(folder / "listing") as daemon:
        fast_put(daemon, "r", count)
        client = daemon.client()
        request = pb.ListFileRequest(file=pb.File(commit=pb.Commit(repo=pb.Repo(name="r", type="user")), path="/"))
        request.file.commit.branch.name = "master"
        channel = grpc.insecure_channel(daemon.address)
        messages = list(channel.unary_stream("/pfs_v2.API/ListFile")(request.SerializeToString()))
        stored = folder / "messages"
        stored.write_bytes(b"".join(len(m).to_bytes(4, "big") + m for m in messages))
        raw = Raw(stored)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(timed(lambda: sum(1 for _ in client.list_file(("r", "master"), "/"))))
            theirs.append(timed(lambda: raw.send(pb.FileInfo.FromString)))
        raw.close()
    mine, bare = statistics.median(ours), statistics.median(theirs)
    row(
        5,
        f"list_file of {count:,}",
        f"{count / mine:,.0f}/s, raw stream {count / bare:,.0f}/s: {bare / mine:.2f}",
        ">= 0.80 x raw",
        bare >= 0.8 * mine,
    )
    row(9, "the same", against_cluster("list 10,000", mine), "", True)


def large(folder: Path, size: int, rounds: int) -> None:
    """Rows 6 and 9: one large file in and out, beside raw streams of the same messages."""
    blocks = [os.urandom(MIB) for _ in range(8)]

    def messages() -> Iterator[bytes]:
        for start in range(0, size, MESSAGE):
            parts = range(start // MIB, min(start + MESSAGE, size) // MIB)
            yield b"".join(part.to_bytes(8, "big") + blocks[part % 8][8:] for part in parts)

    class Large:
        def __init__(self) -> None:
            self.messages = messages()

        def read(self, amount: int = -1) -> bytes:
            return next(self.messages, b"")

    stored = folder / "large"
    with stored.open("wb") as file:
        file.write((MIB + 4).to_bytes(4, "big") + b"\n\x80\x80\x40" + os.urandom(MIB))
    raw = Raw(stored, size // MIB)
    puts, gets, raw_puts, raw_gets = [], [], [], []
    with Pachd(folder / "large-state") as daemon:
        client = daemon.client()
        for turn in range(rounds):
            client.create_repo(f"r{turn}")
            raw_puts.append(timed(lambda: raw.swallow(messages())))
            blocks = [os.urandom(MIB) for _ in range(8)]
            puts.append(timed(lambda t=turn: client.put_file_bytes((f"r{t}", "master"), "/large", Large())))
            raw_gets.append(timed(raw.send))

            def get(turn: int = turn) -> None:
                request = pb.GetFileRequest(file=pb.File(path="/large"))
                request.file.commit.repo.name, request.file.commit.repo.type = f"r{turn}", "user"
                request.file.commit.branch.name = "master"
                channel = grpc.insecure_channel(daemon.address, options=OPTIONS)
                got = sum(map(len, channel.unary_stream("/pfs_v2.API/GetFile")(request.SerializeToString())))
                assert got >= size

            gets.append(timed(get))
        peak = memory(daemon.process.pid)
    raw.close()
    put, get_, raw_put, raw_get = map(statistics.median, (puts, gets, raw_puts, raw_gets))
    measured = f"put {raw_put / put:.2f}, get {raw_get / get_:.2f} of raw; "
    measured += f"{size / put / 1e6:,.0f}, {size / get_ / 1e6:,.0f} MB/s; {peak} MB"
    row(
        6,
        f"{size // MIB} MiB in one file",
        measured,
        ">= 0.60 x raw, <= 200 MB",
        min(raw_put / put, raw_get / get_) >= 0.6 and peak <= 200,
    )
    scale = 1024 * MIB / size
    row(9, "put 1 GiB", against_cluster("put 1 GiB", put * scale), ">= 2 x", CLUSTER["put 1 GiB"] >= 2 * put * scale)
    row(9, "get 1 GiB", against_cluster("get 1 GiB", get_ * scale), ">= 2 x", CLUSTER["get 1 GiB"] >= 2 * get_ * scale)


def provenance(folder: Path, count: int, commits: int) -> None:
    """Row 7: provenance both ways."""
    with Pachd(folder / "provenance") as daemon:
        fast_put(daemon, "a", count)
        client = daemon.client()
        client.create_repo("b")
        client.create_branch("b", "master", provenance=[pb.Branch(repo=pb.Repo(name="a", type="user"), name="master")])
        for number in range(commits):
            client.put_file_bytes(("a", "master"), "/one", b"%d" % number)
        channel = grpc.insecure_channel(daemon.address)
        down = next(iter(client.list_commit("a"))).commit.id

        def walk(method: str, repo: str) -> int:
            def part(field: int, value: bytes) -> bytes:
                return bytes((field << 3 | 2, len(value))) + value

            named = part(1, part(1, part(1, b"default")) + part(2, repo.encode()) + part(3, b"user"))
            picked = part(2, part(1, named) + part(2, down.encode()))
            return sum(1 for _ in channel.unary_stream(f"/pfs_v2.API/{method}")(part(1, picked)))

        assert walk("WalkCommitProvenance", "b") >= 1 and walk("WalkCommitSubvenance", "a") >= 1
        times = [
            timed(lambda: (walk("WalkCommitProvenance", "b"), walk("WalkCommitSubvenance", "a"))) for _ in range(50)
        ]
    median = statistics.median(times) * 1000
    row(7, f"provenance both ways, {commits} commits x {count:,}", f"{median:.2f} ms", "<= 5 ms", median <= 5)


def growth(folder: Path, sizes: tuple[int, ...]) -> None:
    """Row 8: CPU of the daemon for each file put."""
    per_file = []
    with Pachd(folder / "growth") as daemon:
        fast_put(daemon, "warm", 1000)
        for size in sizes:
            rounds = max(1, 20_000 // size)
            before = cpu(daemon.process.pid)
            for turn in range(rounds):
                fast_put(daemon, f"r{size}-{turn}", size)
            per_file.append((cpu(daemon.process.pid) - before) / size / rounds)
    text = ", ".join(f"{size:,}: {each * 1e6:.0f} us" for size, each in zip(sizes, per_file, strict=True))
    most = max(larger / smaller for smaller, larger in itertools.combinations(per_file, 2))
    row(8, "daemon's CPU for each file put", f"{text}: grows {most:.2f} x", "<= 1.3 x", most <= 1.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", type=int, help="rows of the table: 1 to 8 (9 comes with them)")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, for a look")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        return serve(options.serve, options.times)
    quick, rows = options.quick, set(options.rows or range(1, 9))
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="pfs-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        if rows & {1, 3}:
            bulk(folder, 1000 if quick else 10_000, 1 if quick else 3)
        if 2 in rows:
            one_changed(folder, (1000, 10_000) if quick else (10_000, 100_000), 30)
        if 4 in rows:
            no_new_bytes(folder, (64 if quick else 1024) * MIB)
        if 5 in rows:
            listing(folder, 1000 if quick else 10_000, 5)
        if 6 in rows:
            large(folder, (128 if quick else 1024) * MIB, 1 if quick else 3)
        if 7 in rows:
            provenance(folder, 1000 if quick else 10_000, 20 if quick else 100)
        if 8 in rows:
            growth(folder, (100, 1000) if quick else (100, 10_000, 100_000))
    return None


if __name__ == "__main__":
    main()
