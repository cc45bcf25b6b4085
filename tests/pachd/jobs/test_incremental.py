"""The property that matters most: after any history of commits, the output is what a pipeline made afresh writes."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pachd.jobs.tools import counts, make, pfs_input, put, tree, wait
from python_pachyderm.proto.v2.pps import pps_pb2 as pps

NUMBERS = itertools.count()
LINES = 'find -L $d -type f | LC_ALL=C sort | while read f; do echo "$f $(cat $f)"; done'
SEE = f"cd /pfs; for d in a b; do test -e $d && {LINES}; done"
SCRIPT = f'({SEE}) > /pfs/out/$(echo "$a$b" | tr / -); mkdir /pfs/out/d; cp /pfs/out/-* /pfs/out/d/ 2>/dev/null; true'
FILES = ("/1", "/2", "/x/1", "/x/2", "/y/3")
changes = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.dictionaries(st.sampled_from(FILES), st.sampled_from(("", "one", "two")), max_size=3)
    ),
    min_size=1,
    max_size=5,
)


def inputs(a, b):
    """The kinds of input, over two repos."""

    def leaf(repo, name, glob="/*", **more):
        return pfs_input(repo, glob, name=name, **more)

    key = {"glob": "/(*)", "join_on": "$1", "group_by": "$1"}
    return {
        "pfs": leaf(a, "a"),
        "deep": leaf(a, "a", "/**"),
        "whole": leaf(a, "a", "/"),
        "cross": pps.Input(cross=[leaf(a, "a"), leaf(b, "b", "/")]),
        "cross of files": pps.Input(cross=[leaf(a, "a", "/*"), leaf(b, "b", "/*")]),
        "union": pps.Input(union=[leaf(a, "a"), leaf(b, "b")]),
        "join": pps.Input(join=[leaf(a, "a", **key), leaf(b, "b", outer_join=True, **key)]),
        "group": pps.Input(group=[leaf(a, "a", **key), leaf(b, "b", **key)]),
    }


@pytest.mark.parametrize("kind", list(inputs("", "")))
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=changes)
def test_after_any_history_the_output_is_that_of_a_pipeline_made_afresh(shared_pachd, kind, history):
    compare(shared_pachd.client(), kind, history)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(inputs("", "")))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=changes)
def test_after_any_longer_history_too(shared_pachd, kind, history):
    compare(shared_pachd.client(), kind, history + history[::-1])


def compare(client, kind, history):
    number = next(NUMBERS)
    a, b, old, new = (f"{name}{number}" for name in ("a", "b", "old", "new"))
    for repo in (a, b):
        client.create_repo(repo)
        put(client, repo, {"/1": "first"})
    source = inputs(a, b)[kind]
    last = make(client, old, source, SCRIPT, 2)
    for repo, files in history:
        there = {path: content for path, content in files.items() if content}
        gone = [path for path, content in files.items() if not content]
        at = put(client, {"a": a, "b": b}[repo], there, gone)
        if any(job.job.id == at for job in client.list_job(old)):
            last = at
    after = wait(client, old, last)
    fresh = wait(client, new, make(client, new, source, SCRIPT, 2))
    assert after.state == fresh.state == 5, (after.reason, fresh.reason)
    assert counts(after)[3] == counts(fresh)[3]
    assert tree(client, old, last) == tree(client, new, "master")
    for name in (new, old):
        client.delete_pipeline(name)
    for repo in (a, b):
        client.delete_repo(repo)
