"""Files over the wire: what the recorded scenarios do not ask."""

from __future__ import annotations

import io
import random
import socket
import tarfile
import threading

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_pachyderm.proto.v2.pfs import pfs_pb2 as pb
from python_pachyderm.proto.v2.pfs import pfs_pb2_grpc

from workshop.pachd.wire import fast
from workshop.pachd.wire.schema import pfs_v2


@pytest.fixture
def repo(shared_pachd, request):
    """(client, stub, name) of a fresh repo."""
    client = shared_pachd.client()
    name = f"files-{abs(hash(request.node.nodeid)) % 10**9}-{random.randrange(10**6)}"
    client.create_repo(name)
    return client, pfs_pb2_grpc.APIStub(grpc.insecure_channel(shared_pachd.address)), name


def commit(repo: str, branch: str = "master") -> pb.Commit:
    named = pb.Repo(name=repo, type="user", project=pb.Project(name="default"))
    return pb.Commit(repo=named, branch=pb.Branch(repo=named, name=branch))


def add(path: str, data: bytes = b"x", datum: str = "") -> pb.ModifyFileRequest:
    request = pb.ModifyFileRequest()
    request.add_file.path, request.add_file.datum, request.add_file.raw.value = path, datum, data
    return request


def put(stub, repo: str, *requests: pb.ModifyFileRequest, branch: str = "master") -> None:
    stub.ModifyFile(iter([pb.ModifyFileRequest(set_commit=commit(repo, branch)), *requests]), timeout=60)


def read(stub, repo: str, path: str, **extra) -> bytes:
    request = pb.GetFileRequest(file=pb.File(commit=commit(repo), path=path), **extra)
    return b"".join(message.value for message in stub.GetFile(request, timeout=30))


def paths(stub, repo: str) -> list[str]:
    request = pb.WalkFileRequest(file=pb.File(commit=commit(repo), path="/"))
    return [info.file.path for info in stub.WalkFile(request, timeout=30)]


@given(
    st.sampled_from(["", "/a", "b\u00e9", "x" * 300]),
    st.sampled_from(["", "d1"]),
    st.binary(max_size=300),
    st.integers(0, 4),
)
@settings(max_examples=200, deadline=None)
def test_messages_read_by_hand_say_what_protobuf_says(path, datum, data, kind):
    request = pfs_v2.ModifyFileRequest()
    if kind == 1:
        request.add_file.path, request.add_file.datum, request.add_file.raw.value = path, datum, data
    elif kind == 2:
        request.delete_file.path, request.delete_file.datum = path, datum
    elif kind == 3:
        request.copy_file.dst = path
    elif kind == 4:
        request.set_commit.id = path
    found, part = fast.body(request.SerializeToString())
    assert found == {0: 0, 1: fast.ADD, 2: fast.DELETE, 3: fast.COPY, 4: fast.SET_COMMIT}[kind]
    if kind == 1:
        added = fast.added(part)
        assert (added.path, added.datum, bytes(added.data), added.url) == (path, datum, data, None)
    if kind == 2:
        assert fast.deleted(part) == (path, datum)


@given(st.binary(max_size=60))
@settings(max_examples=500, deadline=None)
def test_random_bytes_are_read_or_refused(data):
    try:
        kind, part = fast.body(data)
        (fast.added if kind == fast.ADD else fast.deleted)(part)
    except Exception as error:
        assert getattr(error, "code", "") == "INTERNAL", error


def test_framing_does_not_matter(repo):
    client, stub, name = repo
    data = random.Random(1).randbytes(3 * (1 << 20) + 17)
    put(stub, name, add("/whole", data))
    cuts = sorted(random.Random(2).sample(range(len(data)), 40))
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    put(stub, name, *(add("/parts", part) for part in parts))
    assert read(stub, name, "/parts") == data
    hashes = {client.inspect_file((name, "master"), path).hash for path in ("/whole", "/parts")}
    assert len(hashes) == 1


def test_offsets_of_every_kind(repo):
    _, stub, name = repo
    data = random.Random(3).randbytes((2 << 20) + 5)
    put(stub, name, add("/f", data))
    for offset in (0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20, len(data) - 1, len(data), len(data) + 9):
        assert read(stub, name, "/f", offset=offset) == data[offset:], offset


def test_many_files_interleaved_keep_their_bytes(repo):
    _, stub, name = repo
    chance = random.Random(4)
    wanted: dict[str, bytes] = {}
    requests = []
    for _ in range(400):
        path, data = f"/f{chance.randrange(30)}", chance.randbytes(chance.choice([0, 10, 5000, 300_000]))
        wanted[path] = wanted.get(path, b"") + data
        requests.append(add(path, data))
    put(stub, name, *requests)
    for path, data in wanted.items():
        assert read(stub, name, path) == data


def test_additions_at_the_same_time_all_arrive(repo):
    _, stub, name = repo
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            put(stub, name, add("/shared", b"%04d\n" % number * 100), add(f"/own{number}"))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    lines = read(stub, name, "/shared").decode().splitlines()
    assert sorted(lines) == sorted(f"{number:04d}" for number in range(16) for _ in range(100))
    assert all(len(set(lines[at : at + 100])) == 1 for at in range(0, 1600, 100))  # each whole
    assert len(paths(stub, name)) == 18


def test_a_copied_directory_is_merged_into_one_that_is_there(repo):
    _, stub, name = repo
    put(stub, name, add("/a/x", b"1"), add("/a/y", b"2"), add("/b/x", b"3"), add("/b/z", b"4"))
    copy = pb.ModifyFileRequest()
    copy.copy_file.dst, copy.copy_file.src.path = "/b", "/a"
    copy.copy_file.src.commit.CopyFrom(commit(name))
    put(stub, name, copy)
    assert [read(stub, name, path) for path in ("/b/x", "/b/y", "/b/z")] == [b"1", b"2", b"4"]
    copy.copy_file.append = True
    put(stub, name, copy)
    assert [read(stub, name, path) for path in ("/b/x", "/b/y", "/b/z")] == [b"11", b"22", b"4"]


def test_a_file_copied_onto_the_root_is_refused_and_nothing_is_lost(repo):
    client, stub, name = repo
    put(stub, name, add("/a"), add("/d/b"))
    for target in ("", "/"):
        with pytest.raises(grpc.RpcError, match="a file needs a name"):
            client.copy_file((name, "master"), "/a", (name, "master"), target)
    client.copy_file((name, "master"), "/d", (name, "master"), "/")
    assert paths(stub, name) == ["/", "/a", "/b", "/d/", "/d/b"]


@pytest.mark.parametrize(
    "path",
    ["/../etc/passwd", "/a/../../b", "/" + "a/" * 10_000 + "f", "/" + "n" * 20_000, "/a\x00b", "/*", ".", "/", "\n"],
)
def test_paths_that_lead_astray_are_refused_in_words(repo, path):
    _, stub, name = repo
    put(stub, name, add("/there"))
    for request in (
        add(path),
        pb.ModifyFileRequest(copy_file=pb.CopyFile(dst=path, src=pb.File(path="/", commit=commit(name)))),
    ):
        if path == "/" and request.HasField("copy_file"):
            continue  # a directory may be copied there
        with pytest.raises(grpc.RpcError) as refused:
            put(stub, name, request)
        assert refused.value.code().name in ("UNKNOWN", "INTERNAL") and "Error" not in refused.value.details()
    for call in (stub.InspectFile, stub.ListFile, stub.WalkFile):
        request = {stub.InspectFile: pb.InspectFileRequest, stub.ListFile: pb.ListFileRequest}.get(
            call, pb.WalkFileRequest
        )
        try:
            answer = call(request(file=pb.File(commit=commit(name), path=path)), timeout=20)
            list(answer) if call is not stub.InspectFile else answer
        except grpc.RpcError as error:
            assert error.code().name in ("NOT_FOUND", "UNKNOWN"), error


def test_directories_copied_into_themselves_again_and_again_end_in_a_status(repo):
    client, stub, name = repo
    client.start_commit(name, "master")
    put(stub, name, add("/" + "a/" * 250 + "f"))
    copy = pb.ModifyFileRequest()
    copy.copy_file.dst, copy.copy_file.src.path = "/" + "b/" * 250 + "c", "/"
    copy.copy_file.src.commit.CopyFrom(commit(name))
    for _ in range(5):
        try:
            put(stub, name, copy)
        except grpc.RpcError as error:
            assert "internal error" not in error.details(), error.details()
    for call, request in ((stub.WalkFile, pb.WalkFileRequest), (stub.ListFile, pb.ListFileRequest)):
        try:
            list(call(request(file=pb.File(commit=commit(name), path="/")), timeout=30))
        except grpc.RpcError as error:
            assert "internal error" not in error.details(), error.details()
    stub.InspectRepo(pb.InspectRepoRequest(repo=pb.Repo(name=name, type="user")), timeout=10)


def test_globs_that_take_for_ever_elsewhere_are_answered(repo):
    _, stub, name = repo
    put(stub, name, add("/" + "a" * 200 + "c"))
    for pattern in ("/+(+(a))b", "/*a*a*a*a*a*a*a*b", "/*(a|aa)*(a|aa)b"):
        assert list(stub.GlobFile(pb.GlobFileRequest(commit=commit(name), pattern=pattern), timeout=90)) == []


def test_a_list_ends_at_the_first_collision(repo):
    _, stub, name = repo
    put(stub, name, add("/a"), add("/d"), add("/d/e"), add("/z"))
    listed = []
    with pytest.raises(grpc.RpcError, match=r"file / directory path collision \(/d/e\)"):
        for info in stub.ListFile(pb.ListFileRequest(file=pb.File(commit=commit(name), path="/")), timeout=30):
            listed.append(info.file.path)
    assert listed == ["/a", "/d"]
    first = pb.ListFileRequest(file=pb.File(commit=commit(name), path="/"), number=1)
    assert [info.file.path for info in stub.ListFile(first, timeout=30)] == ["/a"]
    second = pb.ListFileRequest(file=pb.File(commit=commit(name), path="/"), number=2)
    with pytest.raises(grpc.RpcError, match="collision"):  # it lies right behind the page's last file
        list(stub.ListFile(second, timeout=30))


def refusal(call) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        answer = call()
        list(answer) if hasattr(answer, "__next__") else None
    return f"{caught.value.code().name}: {caught.value.details()}"


def test_a_collision_is_met_by_readers_of_what_begins_like_it(repo):
    _, stub, name = repo
    put(stub, name, add("/d/fa"), add("/d/fa/x"), add("/d/f"), add("/d/g"), add("/e"))
    collision = "UNKNOWN: file / directory path collision (/d/fa/x)"
    met = pb.InspectFileRequest(file=pb.File(commit=commit(name), path="/d/f"))
    assert refusal(lambda: stub.InspectFile(met, timeout=30)) == collision
    assert refusal(lambda: read(stub, name, "/d/f")) == collision
    stub.InspectFile(pb.InspectFileRequest(file=pb.File(commit=commit(name), path="/d/g")), timeout=30)

    def globbed(pattern):
        return stub.GlobFile(pb.GlobFileRequest(commit=commit(name), pattern=pattern), timeout=30)

    assert refusal(lambda: globbed("/d/f*")) == refusal(lambda: globbed("/*")) == collision
    assert [info.file.path for info in globbed("/d/g*")] == ["/d/g"]


def test_a_datum_shows_its_files_and_the_directories_that_hold_any(repo):
    _, stub, name = repo
    put(stub, name, add("/d/a", b"1", "d1"), add("/d/b", b"22", "d2"), add("/e/c", b"333"), add("/e/d", b"4444", "d2"))

    def walked(datum, path="/"):
        request = pb.WalkFileRequest(file=pb.File(commit=commit(name), path=path, datum=datum))
        return [(info.file.path, info.size_bytes) for info in stub.WalkFile(request, timeout=30)]

    assert walked("d1") == [("/", 1), ("/d/", 1), ("/d/a", 1)]
    assert walked("d2", "/e") == [("/e/", 4), ("/e/d", 4)]
    assert walked("default") == [("/", 3), ("/e/", 3), ("/e/c", 3)]
    inspected = pb.InspectFileRequest(file=pb.File(commit=commit(name), path="/d", datum="default"))
    assert refusal(lambda: stub.InspectFile(inspected, timeout=30)).startswith("NOT_FOUND: file /d not found")
    plain = stub.InspectFile(pb.InspectFileRequest(file=pb.File(commit=commit(name), path="/d")), timeout=30)
    assert plain.hash != next(
        info.hash
        for info in stub.ListFile(
            pb.ListFileRequest(file=pb.File(commit=commit(name), path="/", datum="d1")), timeout=30
        )
    )


def test_a_marker_that_leaves_nothing_of_a_walk_is_not_found_but_in_the_root(repo):
    _, stub, name = repo
    put(stub, name, add("/b/x"), add("/c"))

    def walked(path, marker, **more):
        marked = pb.File(commit=commit(name), path=marker)
        request = pb.WalkFileRequest(file=pb.File(commit=commit(name), path=path), paginationMarker=marked, **more)
        return stub.WalkFile(request, timeout=30)

    assert "NOT_FOUND: commit/" in refusal(lambda: walked("/b", "/c"))
    assert refusal(lambda: walked("/", "/", number=3, reverse=True)).endswith(" does not contain item: ()")
    assert list(walked("/", "/zz")) == list(walked("/b", "/b/x")) == []
    assert [info.file.path for info in walked("/", "/b")] == ["/b/x", "/c"]  # a marked directory goes without its slash
    assert [info.file.path for info in walked("/", "")] == ["/b/", "/b/x", "/c"]  # none marks the root


def test_get_file_keeps_to_its_range_and_stops_at_the_first_directory(repo):
    _, stub, name = repo
    put(stub, name, add("/a", b"a"), add("/d/x", b"x"), add("/e", b"e"))
    assert read(stub, name, "/*", path_range=pb.PathRange(lower="/e")) == b"e"
    assert read(stub, name, "/*", path_range=pb.PathRange(upper="/d")) == b"a"
    assert "cannot get directory" in refusal(lambda: read(stub, name, "/*"))
    assert "matched multiple files" in refusal(lambda: read(stub, name, "/{a,e}"))
    assert "NOT_FOUND: file /a not found" in refusal(
        lambda: read(stub, name, "/a", path_range=pb.PathRange(lower="/d"))
    )


def differences(stub, new: pb.File, old: pb.File | None = None) -> list[tuple[str, str]]:
    pairs = stub.DiffFile(pb.DiffFileRequest(new_file=new, old_file=old), timeout=30)
    return [(pair.new_file.file.path, pair.old_file.file.path) for pair in pairs]


def test_a_comparison_keeps_to_the_datums_that_its_sides_name(repo):
    _, stub, name = repo
    put(stub, name, add("/d/a", b"1", "d1"), add("/d/b", b"2", "d2"), add("/c", b"3"))
    one, two = (pb.File(commit=commit(name), path="/", datum=datum) for datum in ("d1", "d2"))
    assert differences(stub, one, two) == [("/", "/"), ("/d/", "/d/"), ("/d/a", ""), ("", "/d/b")]
    assert differences(stub, one) == [("/", ""), ("/d/", ""), ("/d/a", "")]


def test_paths_within_one_another_are_compared_where_they_meet(repo):
    _, stub, name = repo
    put(stub, name, add("/d/a", b"1"), add("/d/e/b", b"2"))
    outer, inner = (pb.File(commit=commit(name), path=path) for path in ("/d", "/d/e"))
    assert differences(stub, outer, inner) == [("/d/", ""), ("/d/a", "")]
    assert differences(stub, inner, outer) == [("", "/d/"), ("", "/d/a")]


def test_a_commit_is_compared_to_its_parent_even_when_that_has_an_error(repo):
    client, stub, name = repo
    put(stub, name, add("/f", b"1"))
    with client.commit(name, "master"):
        put(stub, name, add("/f/bad", b"2"))
    client.wait_commit((name, "master"))
    put(stub, name, add("/g", b"3"))
    assert "collision" in refusal(lambda: differences(stub, pb.File(commit=commit(name), path="/")))
    assert differences(stub, pb.File(commit=commit(name), path="/g")) == [("/g", "")]


def test_a_backslash_before_the_first_wildcard_is_itself_unless_a_range_is_asked_for(repo):
    _, stub, name = repo
    put(stub, name, add("/q-1"))

    def globbed(pattern, **more):
        request = pb.GlobFileRequest(commit=commit(name), pattern=pattern, **more)
        return [info.file.path for info in stub.GlobFile(request, timeout=30)]

    assert globbed("/q\\-1") == globbed("/q\\-*") == []
    assert globbed("/q\\-*", path_range=pb.PathRange(lower="/", upper="/z")) == ["/q-1"]
    assert globbed("/q*\\1") == ["/q-1"]


def test_a_file_is_missed_for_the_first_thing_that_is_not_there(repo):
    client, stub, name = repo
    put(stub, name, add("/f"))
    assert client.path_exists((name, "master"), "/f") and not client.path_exists((name, "master"), "/g")
    with pytest.raises(ValueError, match="nonexistent commit"):
        client.path_exists((name, "none"), "/f")
    nowhere = pb.InspectFileRequest(file=pb.File(commit=commit(f"{name}-none"), path="/f"))
    assert refusal(lambda: stub.InspectFile(nowhere, timeout=30)) == f"NOT_FOUND: repo default/{name}-none not found"


def test_a_copy_of_a_directory_takes_the_files_of_the_datum_that_its_source_names(repo):
    _, stub, name = repo
    put(stub, name, add("/d/a", b"1", "d1"), add("/d/b", b"2", "d2"), add("/d/c", b"3"))

    def copied(datum, to):
        source = pb.File(commit=commit(name), path="/d", datum=datum)
        put(stub, name, pb.ModifyFileRequest(copy_file=pb.CopyFile(dst=to, src=source)), branch="copies")

    copied("d1", "/one")
    copied("default", "/plain")
    copied("", "/all")
    walked = stub.WalkFile(pb.WalkFileRequest(file=pb.File(commit=commit(name, "copies"), path="/")), timeout=30)
    files = [(info.file.path, info.file.datum) for info in walked if info.file_type == pb.FILE]
    assert files == [(f"/all/{file}", "default") for file in "abc"] + [("/one/a", "default"), ("/plain/c", "default")]


def test_the_source_of_a_copy_is_not_looked_at_before_it_is_picked(repo):
    _, stub, name = repo
    nowhere = pb.File(commit=pb.Commit(id="x"))
    for source, words in ((pb.File(path="/f"), "nil commit"), (nowhere, "commit with no repo")):
        copy = pb.ModifyFileRequest(copy_file=pb.CopyFile(dst="/g", src=source))
        assert refusal(lambda copy=copy: put(stub, name, copy)) == f"UNKNOWN: pick commit tx: cannot pick {words}"


def test_a_url_that_nobody_answers_is_refused_as_go_refuses_it(repo):
    client, _, name = repo
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x"
    with pytest.raises(grpc.RpcError) as error:
        client.put_file_url((name, "master"), "/f", url)
    where = url.removeprefix("http://").removesuffix("/x")
    assert error.value.details() == f'Get "{url}": dial tcp {where}: connect: connection refused'


def test_an_archive_holds_every_file_with_its_size(repo):
    _, stub, name = repo
    wanted = {f"/d{number % 3}/f{number}": random.Random(number).randbytes(number * 700) for number in range(40)}
    put(stub, name, *(add(path, data) for path, data in wanted.items()))
    request = pb.GetFileRequest(file=pb.File(commit=commit(name), path="/"))
    data = b"".join(message.value for message in stub.GetFileTAR(request, timeout=30))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert {m.name: archive.extractfile(m).read() for m in archive if m.isfile()} == wanted


def test_local_files_are_put_by_url_only_from_allowed_folders(tmp_path):
    from workshop.testing import Pachd

    folder = tmp_path / "allowed"
    (folder / "sub").mkdir(parents=True)
    (folder / "one").write_bytes(b"1")
    (folder / "sub" / "two").write_bytes(b"22")
    (tmp_path / "secret").write_bytes(b"s")
    (folder / "link").symlink_to(tmp_path / "secret")
    with Pachd(tmp_path / "state", "--allow-files", str(folder)) as daemon:
        client = daemon.client()
        client.create_repo("r")
        client.put_file_url(("r", "master"), "/f", f"file://{folder}/one")
        client.put_file_url(("r", "master"), "/all", f"file://{folder}", recursive=True)
        found = {info.file.path: info.size_bytes for info in client.walk_file(("r", "master"), "/")}
        assert {path for path in found if not path.endswith("/")} == {"/f", "/all/one", "/all/sub/two"}
        for url in (
            f"file://{tmp_path}/secret",
            f"file://{folder}/../secret",
            f"file://{folder}/link",
            "file:///etc/passwd",
        ):
            with pytest.raises(Exception, match="may not read or write there"):
                client.put_file_url(("r", "master"), "/no", url)
