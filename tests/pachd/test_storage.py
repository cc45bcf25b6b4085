"""The store over the wire and by force: collection, damage, a full disk, kill -9."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import grpc
import pytest
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb

from workshop.testing import ROOT, Pachd


def gc(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workshop.pachd", "gc", "--state", str(state), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def content_bytes(state: Path) -> int:
    return sum(file.stat().st_size for file in (state / "packs").iterdir())


def faults(client) -> list[str]:
    return [answer.error for answer in client.fsck()]


def test_what_nothing_refers_to_is_collected_and_all_else_stays(tmp_path):
    with Pachd(tmp_path / "state") as daemon:
        client = daemon.client()
        kept, gone = os.urandom(300_000), os.urandom(3_000_000)
        client.create_repo("keep")
        client.create_repo("drop")
        client.put_file_bytes(("keep", "master"), "/kept", kept)
        client.put_file_bytes(("drop", "master"), "/gone", gone)
        client.delete_repo("drop")
    state = tmp_path / "state"
    assert content_bytes(state) == len(kept) + len(gone)
    trial = gc(state, "--dry-run")
    assert trial.returncode == 0 and trial.stdout.startswith("would collect 3 chunks (3000000 bytes)")
    assert content_bytes(state) == len(kept) + len(gone)
    done = gc(state)
    assert done.stdout.startswith("collected 3 chunks (3000000 bytes)"), done
    assert content_bytes(state) == len(kept)
    assert gc(state).stdout.startswith("collected 0 chunks (0 bytes) and 0 nodes")
    with daemon:
        client = daemon.client()
        assert client.get_file(("keep", "master"), "/kept").read() == kept
        assert faults(client) == []
        client.create_repo("drop")
        client.put_file_bytes(("drop", "master"), "/gone", gone)  # stored anew
        assert client.get_file(("drop", "master"), "/gone").read() == gone


def test_a_collection_needs_a_state_folder(tmp_path):
    missing = gc(tmp_path / "none")
    assert missing.returncode == 1 and "no state folder" in missing.stderr and "Traceback" not in missing.stderr


def test_a_flipped_byte_is_found_by_fsck_and_refused_on_read(pachd):
    client = pachd.client()
    client.create_repo("r")
    client.put_file_bytes(("r", "master"), "/good", b"good" * 1000)
    client.put_file_bytes(("r", "master"), "/bad", b"bad!" * 1000)
    pack = next((pachd.state / "packs").glob("*.pack"))
    data = bytearray(pack.read_bytes())
    data[data.index(b"bad!") + 10] ^= 1
    pack.write_bytes(data)
    (fault,) = faults(client)
    assert fault.startswith("consistency error: chunk ") and "is damaged" in fault and "default/r@" in fault
    assert fault.endswith(":/bad)")
    request = pb.GetFileRequest(file=pb.File(commit=commit("r"), path="/bad"))
    with pytest.raises(grpc.RpcError) as refused:
        list(pb_stub(pachd).GetFile(request, timeout=10))
    assert refused.value.code() == grpc.StatusCode.DATA_LOSS and "is damaged" in refused.value.details()
    assert client.get_file(("r", "master"), "/good").read() == b"good" * 1000


def test_long_chunks_are_refused_by_their_sum_and_in_older_state_folders_by_their_hash(tmp_path):
    daemon, data = Pachd(tmp_path / "state"), os.urandom(3_000_000)
    with daemon:
        daemon.client().create_repo("r")
        daemon.client().put_file_bytes(("r", "master"), "/long", data)
    with contextlib.closing(sqlite3.connect(daemon.state / "pachd.sqlite")) as rows:
        sums = dict(rows.execute("SELECT offset, crc FROM chunk").fetchall())
        assert sums == {at: zlib.crc32(data[at : at + (1 << 20)]) for at in (0, 1 << 20, 2 << 20)}
    (pack,) = (daemon.state / "packs").glob("*.pack")

    def flip() -> None:
        damaged = bytearray(pack.read_bytes())
        damaged[1_500_000] ^= 1
        pack.write_bytes(damaged)

    for older in (False, True):
        if older:  # as an earlier version made it
            with contextlib.closing(sqlite3.connect(daemon.state / "pachd.sqlite")) as rows:
                rows.execute("ALTER TABLE chunk DROP COLUMN crc")
        with daemon:
            assert daemon.client().get_file(("r", "master"), "/long").read() == data
            flip()
            with pytest.raises(grpc.RpcError) as refused:
                list(pb_stub(daemon).GetFile(pb.GetFileRequest(file=pb.File(commit=commit("r"), path="/long"))))
            assert refused.value.code() == grpc.StatusCode.DATA_LOSS
            flip()


def test_a_lost_pack_is_found_by_fsck(pachd):
    client = pachd.client()
    client.create_repo("r")
    client.put_file_bytes(("r", "master"), "/f", b"x" * 1000)
    for pack in (pachd.state / "packs").glob("*.pack"):
        pack.unlink()
    assert any("is not there" in fault for fault in faults(client))


def test_a_torn_tail_of_a_pack_harms_nothing_and_is_collected(tmp_path):
    daemon, files = Pachd(tmp_path / "state"), {"/a": os.urandom(200_000), "/b": os.urandom(200_000)}
    with daemon:
        daemon.client().create_repo("r")
        daemon.client().put_file_bytes(("r", "master"), "/a", files["/a"])
    (pack,) = (daemon.state / "packs").glob("*.pack")
    with pack.open("ab") as tail:
        tail.write(os.urandom(300_000))  # a write that a crash cut off
    with daemon:
        client = daemon.client()
        client.put_file_bytes(("r", "master"), "/b", files["/b"])
        assert faults(client) == []
        assert gc(daemon.state).returncode == 0
        assert content_bytes(daemon.state) == sum(map(len, files.values()))
        for path, data in files.items():
            assert client.get_file(("r", "master"), path).read() == data


def test_a_pack_cut_short_is_refused_where_it_is_read_and_named_by_fsck(pachd):
    client, whole = pachd.client(), os.urandom(200_000)
    client.create_repo("r")
    client.put_file_bytes(("r", "master"), "/whole", whole)
    client.put_file_bytes(("r", "master"), "/cut", os.urandom(200_000))
    (pack,) = (pachd.state / "packs").glob("*.pack")
    os.truncate(pack, 300_000)
    with pytest.raises(grpc.RpcError) as refused:
        list(pb_stub(pachd).GetFile(pb.GetFileRequest(file=pb.File(commit=commit("r"), path="/cut"))))
    assert refused.value.code() == grpc.StatusCode.DATA_LOSS
    assert client.get_file(("r", "master"), "/whole").read() == whole
    (fault,) = faults(client)
    assert "is damaged" in fault and "/cut" in fault and "/whole" not in fault


def test_a_broken_stream_leaves_no_commit(pachd):
    client = pachd.client()
    client.create_repo("r")
    stub = pb_stub(pachd)

    def requests():
        yield pb.ModifyFileRequest(set_commit=commit("r"))
        yield add("/half", b"x" * 100_000)
        raise RuntimeError("the client dies")

    with pytest.raises(Exception, match=r"dies|Exception iterating"):
        stub.ModifyFile(requests(), timeout=10)
    assert list(client.list_commit("r")) == [] and faults(client) == []


def commit(repo: str, branch: str = "master", id: str = "") -> pb.Commit:
    named = pb.Repo(name=repo, type="user", project=pb.Project(name="default"))
    return pb.Commit(repo=named, branch=pb.Branch(repo=named, name=branch), id=id)


def add(path: str, data: bytes) -> pb.ModifyFileRequest:
    request = pb.ModifyFileRequest()
    request.add_file.path, request.add_file.raw.value = path, data
    return request


def pb_stub(daemon: Pachd):
    from python_pachyderm.proto.v2.pfs import pfs_pb2_grpc

    return pfs_pb2_grpc.APIStub(grpc.insecure_channel(daemon.address))


def test_appends_of_any_sizes_and_framings_are_one_file(pachd):
    client = pachd.client()
    client.create_repo("r")
    chance, whole = random.Random(7), b""
    for _ in range(6):
        parts = [chance.randbytes(chance.choice([0, 1, 1000, 700_000, 1 << 20, (1 << 20) + 1])) for _ in range(4)]
        requests = [pb.ModifyFileRequest(set_commit=commit("r")), *(add("/f", part) for part in parts)]
        requests.insert(3, add("/other", b"between"))
        pb_stub(pachd).ModifyFile(iter(requests), timeout=60)
        whole += b"".join(parts)
    assert client.get_file(("r", "master"), "/f").read() == whole
    client.put_file_bytes(("r", "master"), "/again", whole)
    one, two = (client.inspect_file(("r", "master"), path).hash for path in ("/f", "/again"))
    assert one == two  # equal bytes are equal chunks


def test_equal_content_copies_and_forks_cost_no_bytes(pachd):
    client = pachd.client()
    client.create_repo("r")
    data = os.urandom(5_000_000)
    client.put_file_bytes(("r", "master"), "/f", data)
    before = content_bytes(pachd.state)
    client.put_file_bytes(("r", "other"), "/g", data)
    client.copy_file(("r", "master"), "/f", ("r", "master"), "/copy")
    client.create_branch("r", "fork", head_commit=("r", "master"))
    assert content_bytes(pachd.state) == before
    assert client.get_file(("r", "master"), "/copy").read() == data


def test_a_full_disk_is_a_clear_error_and_harms_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], check=False).returncode
    ):
        pytest.skip("only where a small file system can be mounted")
    try:
        with Pachd(disk / "state") as daemon:
            client = daemon.client()
            client.create_repo("r")
            client.put_file_bytes(("r", "master"), "/small", b"small")
            for _ in range(3):
                with pytest.raises(Exception, match="no space left"):
                    client.put_file_bytes(("r", "master"), "/large", os.urandom(30_000_000))
            assert [file.file.path for file in client.list_file(("r", "master"), "/")] == ["/small"]
            client.put_file_bytes(("r", "master"), "/more", os.urandom(2_000_000))  # the room was given back
            assert faults(client) == []
            daemon.kill()
            with daemon:
                assert daemon.client().get_file(("r", "master"), "/small").read() == b"small"
    finally:
        subprocess.run(["umount", disk], check=False)


@pytest.mark.slow
def test_kill_9_during_puts_and_collections_loses_nothing_finished(tmp_path):
    """Every put that was answered is there, whole; of one that was not, all or nothing."""
    state, chance = tmp_path / "state", random.Random(5)
    daemon = Pachd(state)
    answered: dict[str, bytes] = {}
    for round in range(int(os.environ.get("KILLS", "12"))):
        with daemon:
            client = daemon.client()
            if not round:
                client.create_repo("r")
            timer = threading.Timer(chance.uniform(0.05, 0.6), daemon.process.kill)
            timer.start()
            number = 0
            try:
                while True:
                    data = chance.randbytes(chance.choice([10, 50_000, 2_000_000]))
                    client.put_file_bytes(("r", "master"), f"/{round}-{number}", data)
                    answered[f"/{round}-{number}"] = data
                    number += 1
            except Exception:
                timer.join()
            daemon.kill()
        if round % 2:
            collecting = subprocess.Popen(
                [sys.executable, "-m", "workshop.pachd", "gc", "--state", str(state)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
            )
            try:
                collecting.wait(chance.uniform(0.2, 0.9))
            except subprocess.TimeoutExpired:
                collecting.kill()
                collecting.wait()
        with daemon:
            client = daemon.client()
            assert faults(client) == []
            there = {file.file.path for file in client.list_file(("r", "master"), "/")} if answered else set()
            assert answered.keys() <= there and len(there - answered.keys()) <= round + 1
            for path in chance.sample(sorted(answered), min(3, len(answered))):
                assert client.get_file(("r", "master"), path).read() == answered[path]
