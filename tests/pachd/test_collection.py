"""Garbage is collected while the daemon works: what anybody writes, reads or counts on stays."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time

import grpc
import pytest
from conftest import Pachd
from pachd.test_storage import add, commit, content_bytes, faults, gc, pb_stub
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb

from workshop.pachd.pfs import Pfs, storage
from workshop.pachd.pfs.keeper import Keeper
from workshop.pachd.pfs.modify import writing
from workshop.pachd.store import Store, blobs, collection
from workshop.pachd.store.blobs import CHUNK
from workshop.pachd.store.trees import Put, unpack


def test_a_running_daemon_collects_when_asked_and_counts_on_trial(pachd):
    client, kept, gone = pachd.client(), os.urandom(400_000), os.urandom(2_000_000)
    client.create_repo("keep")
    client.create_repo("drop")
    client.put_file_bytes(("keep", "master"), "/kept", kept)
    client.put_file_bytes(("drop", "master"), "/gone", gone)
    client.delete_repo("drop")
    assert gc(pachd.state, "--dry-run").stdout.startswith("would collect 2 chunks (2000000 bytes)")
    assert content_bytes(pachd.state) == len(kept) + len(gone)
    done = gc(pachd.state)
    assert done.stdout.startswith("collected 2 chunks (2000000 bytes)"), done
    assert content_bytes(pachd.state) == len(kept)
    assert client.get_file(("keep", "master"), "/kept").read() == kept and faults(client) == []


def test_a_guarded_daemon_collects_for_who_has_its_token(tmp_path):
    with Pachd(tmp_path / "state", "--token", "secret") as daemon:
        refused = gc(daemon.state)
        assert refused.returncode == 1 and "no authentication token" in refused.stderr
        assert gc(daemon.state, "--token", "secret").stdout.startswith("collected 0 chunks")


def test_what_a_daemon_left_is_collected_when_it_starts_again(tmp_path):
    daemon = Pachd(tmp_path / "state")
    with daemon:
        client = daemon.client()
        client.create_repo("drop")
        client.put_file_bytes(("drop", "master"), "/gone", os.urandom(1_500_000))
        client.delete_repo("drop")
    assert content_bytes(daemon.state) == 1_500_000
    with daemon:
        end = time.monotonic() + 20
        while content_bytes(daemon.state) and time.monotonic() < end:
            threading.Event().wait(0.02)
        assert content_bytes(daemon.state) == 0


def test_the_keeper_collects_after_a_deletion_and_rests_otherwise(tmp_path):
    store = Store(tmp_path / "state")
    keeper = Keeper(Pfs(store), pause=0.01)

    def chunks() -> int:
        with store.database.read() as db:
            return db.execute("SELECT count(*) FROM chunk").fetchone()[0]

    keeper.start()
    try:
        with writing(store) as changes:
            changes.add("/f", "", os.urandom(CHUNK))
            changes.flush()
            with store.database.write() as db:
                changes.make(db, None)  # recorded, and nothing refers to it: as after a deletion that nobody noted
        assert store.changes.wait_for(lambda: None if chunks() else True, timeout=0.2) is None
        with store.database.write() as db:
            collection.note(db)
        assert store.changes.wait_for(lambda: None if chunks() else True, timeout=20)
    finally:
        keeper.stop()
        store.close()


def test_packs_that_workers_read_from_are_deleted_before_the_next_ones_start(tmp_path):
    store = Store(tmp_path / "state")
    pfs = Pfs(store)
    with writing(store) as changes:
        changes.add("/f", "", os.urandom(CHUNK))
        changes.flush()
        with store.database.write() as db:
            changes.make(db, None)
    filled, _ = store.blobs.take()
    store.blobs.take_pack()  # a worker's: while it has one it reads others by place
    store.blobs.give_back(filled)
    found = storage.collect(pfs)
    assert (found.chunks, found.left) == (1, 1) and "until the workers end" in str(found)
    assert store.blobs.path(filled).exists()
    store.close()
    store = Store(tmp_path / "state")
    assert collection.is_due(store, starting=True) and not collection.is_due(store, starting=False)
    collection.drop_left(store)
    assert not store.blobs.path(filled).exists()
    store.close()


def test_what_is_read_stays_until_the_reader_is_done(pachd):
    client, data = pachd.client(), os.urandom(24 * CHUNK)
    client.create_repo("r")
    client.put_file_bytes(("r", "master"), "/f", data)
    request = pb.GetFileRequest(file=pb.File(commit=commit("r"), path="/f")).SerializeToString()
    with grpc.insecure_channel(pachd.address) as channel:
        stream = channel.unary_stream("/pfs_v2.API/GetFile")(request, timeout=60)
        got = [next(stream)]
        client.delete_repo("r")
        assert gc(pachd.state).stdout.startswith("collected 0 chunks")
        got += list(stream)
    assert sum(map(len, got)) > len(data)
    end = time.monotonic() + 20  # the call's thread lets go of it some time later
    while content_bytes(pachd.state) and time.monotonic() < end:
        assert gc(pachd.state).returncode == 0
    assert content_bytes(pachd.state) == 0


def test_nobody_finds_what_is_being_taken_away(tmp_path):
    """Chunks cannot be looked up, and counted on, before their deletion is committed."""
    store = Store(tmp_path / "state")
    held = []
    store.database._writer.set_trace_callback(lambda sql: sql == "COMMIT" and held.append(store.blobs.gate.locked()))
    collection.collect(store, ())
    assert held == [True]
    assert not store.blobs.gate.locked()
    store.close()


def test_a_tree_that_a_reader_found_collected_and_somebody_made_again_is_marked_anew(tmp_path):
    store = Store(tmp_path / "state")
    name = blobs.digest(b"x")

    def make(db):
        return store.trees(db).edit(b"", [Put("/d/f", "", blobs.Content(1, (name,)))])

    with store.database.write() as db:
        root = make(db)
        inner = unpack(store.trees(db).lookup(root, "/d/")[0].value).map
        db.execute("DELETE FROM node WHERE hash = ?", (inner,))
    marks = collection.Marks()
    with store.database.read() as db:
        marks.read_with(db)
        marks.tree_if_whole(root)
    assert not marks.nodes and not marks.chunks
    with store.database.write() as db:
        db.execute("DELETE FROM node")
        assert make(db) == root
        marks.read_with(db)
        marks.tree(root)
    assert marks.chunks == {name} and inner in marks.nodes
    store.close()


def test_collections_beside_writers_take_nothing_that_is_in_use(pachd):
    """Puts of new and of known bytes, copies, appends, file sets, squashes and deletions, while collections run."""
    storm(pachd, writers=4, steps=15)


@pytest.mark.slow
def test_many_collections_beside_writers_take_nothing_that_is_in_use(pachd):
    collections = storm(pachd, writers=8, steps=int(os.environ.get("GC_STEPS", "100")))
    print(f"\n{collections} collections")


class Writer:
    """Does this and that to a repo of its own, and keeps in mind what it must hold."""

    def __init__(self, daemon: Pachd, number: int, pool: list[bytes]) -> None:
        self.repo, self.files, self._pool = f"r{number}", {}, pool
        self._target = (self.repo, "master")
        self._chance, self._client, self._stub = random.Random(number), daemon.client(), pb_stub(daemon)
        self._client.create_repo(self.repo)

    def step(self, number: int) -> None:
        what = self._chance.choice(["put", "put", "append", "copy", "set", "squash", "drop"])
        data, path = self._chance.choice(self._pool), f"/{number}"
        getattr(self, f"_{what}")(path, data)

    def _put(self, path: str, data: bytes) -> None:
        self._client.put_file_bytes(self._target, path, data)
        self.files[path] = data

    def _append(self, path: str, data: bytes) -> None:
        path = self._chance.choice([path, *self.files])
        self._client.put_file_bytes(self._target, path, data, append=True)
        self.files[path] = self.files.get(path, b"") + data

    def _copy(self, path: str, data: bytes) -> None:
        if self.files:
            source = self._chance.choice([*self.files])
            self._client.copy_file(self._target, source, self._target, path)
            self.files[path] = self.files[source]

    def _set(self, path: str, data: bytes) -> None:
        made = self._stub.CreateFileSet(iter([add(path, data)]), timeout=60).file_set_id
        self._client.start_commit(*self._target)
        self._stub.AddFileSet(pb.AddFileSetRequest(commit=commit(self.repo), file_set_id=made), timeout=60)
        self._client.finish_commit(self._target)
        self.files[path] = data

    def _squash(self, path: str, data: bytes) -> None:
        with contextlib.suppress(grpc.RpcError):  # nothing to squash yet
            (head,) = self._client.inspect_commit(self._target)
            self._client.squash_commit(head.parent_commit.id)

    def _drop(self, path: str, data: bytes) -> None:
        name = f"{self.repo}-short{path[1:]}"
        self._client.create_repo(name)
        self._client.put_file_bytes((name, "master"), "/same", data)
        self._client.delete_repo(name)


def storm(daemon: Pachd, writers: int, steps: int) -> int:
    """Writers and collections at the same time, then all that was written is compared; how many collections ran."""
    pool = [os.urandom(size) for size in (10, 1000, 200_000, CHUNK, CHUNK + 5, 3 * CHUNK)]
    crowd = [Writer(daemon, number, pool) for number in range(writers)]
    failures: list[BaseException] = []
    over = threading.Event()
    collections = 0

    def run(writer: Writer) -> None:
        try:
            for number in range(steps):
                writer.step(number)
        except BaseException as error:
            failures.append(error)

    def collect() -> None:
        nonlocal collections
        with grpc.insecure_channel(daemon.address) as channel:
            try:
                while not over.is_set():
                    channel.unary_unary("/workshop.Storage/Collect")(b"", timeout=60)
                    collections += 1
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=run, args=(writer,)) for writer in crowd]
    collector = threading.Thread(target=collect)
    for thread in (collector, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    collector.join()
    assert not failures, failures
    assert collections > 2
    client = daemon.client()
    assert faults(client) == []
    for writer in crowd:
        for path, data in writer.files.items():
            got = client.get_file((writer.repo, "master"), path).read()
            assert got == data, (writer.repo, path, len(got), len(data))
    assert "Traceback" not in daemon.log.read_text()
    return collections
