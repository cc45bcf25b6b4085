"""Trees of files against the plainest model of them: a dict from (path, tag) to content."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from workshop.pachd.store import collisions, trees
from workshop.pachd.store.blobs import Content, digest
from workshop.pachd.store.collisions import Collision
from workshop.pachd.store.maps import Maps
from workshop.pachd.store.trees import Clear, Copy, Delete, Put, Trees

NAMES = st.sampled_from(["a", "b", "b-b", "b.b", "b0", "c d", "é"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
TAGS = st.sampled_from(["", "", "d1", "d2"])
CONTENT = st.integers(0, 5).map(lambda n: Content(n, (digest(b"%d" % n),) if n else ()))
PUTS = st.builds(Put, PATHS, TAGS, CONTENT)
EDITS = st.lists(
    st.one_of(
        PUTS,
        PUTS,
        st.builds(Delete, PATHS, TAGS),
        st.builds(lambda path, tag: Delete(path + "/", tag), PATHS, TAGS),
        st.builds(lambda path: Clear(path + "/"), PATHS),
        st.tuples(PATHS, PATHS),
    ),
    max_size=25,
)
Model = dict[tuple[str, str], Content]


def run(store: Trees, root: bytes, model: Model, edits) -> tuple[bytes, Model]:
    model = dict(model)
    batch: list = []
    for edit in edits:
        if isinstance(edit, Put):
            model[edit.path, edit.tag] = edit.content
        elif isinstance(edit, Clear):
            model = {key: value for key, value in model.items() if not key[0].startswith(edit.path)}
        elif isinstance(edit, Delete) and edit.path.endswith("/"):
            model = {k: v for k, v in model.items() if not (k[0].startswith(edit.path) and k[1] == edit.tag)}
        elif isinstance(edit, Delete):
            model.pop((edit.path, edit.tag), None)
        else:  # copy a directory onto another path, replacing what is below it
            source, target = edit[0] + "/", edit[1] + "/"
            root, batch = store.edit(root, batch), []
            copied = {(target + p[len(source) :], t): c for (p, t), c in model.items() if p.startswith(source)}
            model = {key: value for key, value in model.items() if not key[0].startswith(target)} | copied
            edit = Copy(target, "", store.directory(root, source))
        batch.append(edit)
    return store.edit(root, batch), model


def listed(model: Model, below: str = "/") -> list[tuple[str, str]]:
    """All paths with their tags, directories too, in Pachyderm's order."""
    found = {(path, tag) for path, tag in model if path.startswith(below)}
    for path, _ in list(found):
        parts = path.split("/")
        found |= {("/".join(parts[:n]) + "/", "") for n in range(2, len(parts))}
    return sorted(((p, t) for p, t in found if p.startswith(below) and p != below), key=lambda e: (e[0].encode(), e[1]))


def brute_collisions(model: Model) -> set[str]:
    paths = sorted(model)
    found = {path for path, tag in paths if any(other == path and t != tag for other, t in paths)}
    for path, _ in paths:
        if any(other == path.rsplit("/", n)[0] for other, _ in paths for n in range(1, path.count("/"))):
            found.add(path)
    return found


@given(st.lists(EDITS, min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_a_tree_is_a_dict_of_files_and_its_root_depends_on_its_content_alone(history):
    store = Trees(Maps({}))
    root, model = b"", {}
    for edits in history:
        root, model = run(store, root, model, edits)
        entries = list(store.walk(root))
        assert [(entry.path, entry.tag) for entry in entries] == listed(model)
        files = {(e.path, e.tag): store.content(e.value) for e in entries if not e.is_directory}
        assert files == model
        assert root == Trees(Maps({})).edit(b"", [Put(path, tag, content) for (path, tag), content in model.items()])
        said = trees.unpack(root)
        assert (said.size, said.files) == (sum(c.size for c in model.values()), len(model))
        assert said.tagged == sum(1 for _, tag in model if tag)


@given(EDITS, EDITS)
@settings(max_examples=200, deadline=None)
def test_a_comparison_gives_what_differs_in_path_order(first, second):
    store = Trees(Maps({}))
    old, before = run(store, b"", {}, first)
    new, after = run(store, old, before, second)
    said = [(a and (a.path, a.tag), b and (b.path, b.tag)) for a, b in store.diff(old, new)]
    files = [(a or b) for a, b in said if not (a or b)[0].endswith("/")]
    assert files == [key for key in listed(before | after) if before.get(key) != after.get(key) and key[0][-1] != "/"]
    order = [(a or b)[0].encode() for a, b in said]
    assert order == sorted(order)


@given(EDITS, EDITS)
@settings(max_examples=300, deadline=None)
def test_collisions_are_found_where_they_are(first, second):
    collisions._CLEAN.clear()
    store = Trees(Maps({}))
    base, before = run(store, b"", {}, first)
    assert {c.path for c in collisions.find(store.maps, b"", base)} <= brute_collisions(before)
    assert bool(list(collisions.find(store.maps, b"", base))) == bool(brute_collisions(before))
    if brute_collisions(before):
        base, before = b"", {}
    root, after = run(store, base, before, second)
    found = sorted(collisions.find(store.maps, base, root), key=lambda collision: collision.path.encode())
    assert bool(found) == bool(brute_collisions(after))
    if found:
        assert found[0].path in brute_collisions(after)


@given(EDITS, PATHS, TAGS)
@settings(max_examples=150, deadline=None)
def test_a_look_up_finds_files_of_all_tags_and_the_directory(edits, path, tag):
    store = Trees(Maps({}))
    root, model = run(store, b"", {}, edits)
    wanted = sorted((p, t) for p, t in model if p == path)
    if any(p.startswith(path + "/") for p, _ in model):
        wanted.append((path + "/", ""))
    assert [(entry.path, entry.tag) for entry in store.lookup(root, path)] == wanted
    assert [(e.path, e.tag) for e in store.lookup(root, path, tag) if not e.is_directory] == [
        (p, t) for p, t in wanted if t == tag and p == path
    ]
    value = store.file(root, path, tag)
    assert (value is not None and store.content(value)) == model.get((path, tag), False)


@given(EDITS, st.one_of(PATHS, PATHS.map(lambda path: path + "/"), st.just("zz"), st.just("/")), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_walk_can_begin_at_any_path_and_before_it_in_reverse(edits, marker, reverse):
    store = Trees(Maps({}))
    root, model = run(store, b"", {}, edits)
    paths = [path for path, _ in listed(model)]
    wanted = [path for path in paths if path < marker][::-1] if reverse else [path for path in paths if path >= marker]
    assert [entry.path for entry in store.walk(root, "/", marker, reverse)] == wanted


def test_names_of_a_directory_lie_as_pachyderm_sorts_them():
    store = Trees(Maps({}))
    content = Content(1, (digest(b"1"),))
    root = store.edit(b"", [Put(path, "", content) for path in ("/b0", "/b/x", "/b.b/x", "/b-b", "/b c")])
    assert [entry.path for entry in store.children(root, "/")] == ["/b c", "/b-b", "/b.b/", "/b/", "/b0"]


def test_a_rename_changes_a_directory_hash_and_a_tag_does_not():
    store = Trees(Maps({}))
    content = Content(1, (digest(b"1"),))
    one, same, renamed = (
        store.edit(b"", [Put(path, tag, content)]) for path, tag in (("/d/a", ""), ("/d/a", "t"), ("/d/b", ""))
    )
    assert store.directory_hash(one) == store.directory_hash(same) != store.directory_hash(renamed)
    many = [Put(f"/d/f{n:04d}", tag, content) for tag in ("", "t") for n in range(2000)]
    assert store.directory_hash(store.edit(b"", many[:2000])) == store.directory_hash(store.edit(b"", many[2000:]))


def test_a_long_list_of_chunks_is_kept_beside_the_directory():
    store = Trees(Maps({}))
    for count in (0, 1, 16, 17, 1024, 1025, 3000):
        content = Content(count << 20, tuple(digest(b"%d" % n) for n in range(count)))
        root = store.edit(b"", [Put("/big", "", content)])
        value = store.file(root, "/big")
        assert store.content(value) == content and len(value) < 600
        assert store.file_hash(value) == content.hash
        assert list(store.reachable(root, set())) == list(content.chunks)


def test_copying_a_directory_of_any_size_stores_a_few_nodes():
    nodes: dict[bytes, bytes] = {}
    store = Trees(Maps(nodes))
    content = Content(1, (digest(b"1"),))
    root = store.edit(b"", [Put(f"/d/f{n}", "", content) for n in range(20_000)])
    before = len(nodes)
    copied = store.edit(root, [Copy("/e/", "", store.directory(root, "/d"))])
    assert len(nodes) - before <= 2 and trees.unpack(copied).files == 40_000


def test_texts_of_collisions_are_pachyderms():
    assert str(Collision("/a/b", None, "/a")) == "file / directory path collision (/a/b)"
    assert (
        str(Collision("/f", ("d1", "default"), "/f"))
        == "duplicate path output by different datums (/f from d1 and /f from default)"
    )
