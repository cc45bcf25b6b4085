"""Jobs that have nothing to do, and jobs that wait, through an unmodified client."""

from pachd.jobs.tools import counts, make, pfs_input, put, tree, until, wait
from python_pachyderm.proto.v2.pps import pps_pb2 as pps


def dag(client):
    """a -> p -> q, and q with b -> r; the id of r's first job with data."""
    for repo in "ab":
        client.create_repo(repo)
    make(client, "p", pfs_input("a"), "cp /pfs/a/* /pfs/out/")
    make(client, "q", pfs_input("p"), "cp /pfs/p/* /pfs/out/")
    make(
        client,
        "r",
        pps.Input(cross=[pfs_input("q"), pfs_input("b")]),
        "cat /pfs/q/* /pfs/b/* > /pfs/out/$(basename $q)",
    )
    put(client, "b", {"/y": "y"})
    at = put(client, "a", {"/x": "x"})
    assert wait(client, "r", at).state == pps.JOB_SUCCESS
    return at


def test_a_commit_that_changes_nothing_ends_all_jobs_of_its_set_at_one_moment(pachd):
    client = pachd.client()
    before = dag(client)
    at = put(client, "a", {})
    infos = [wait(client, name, at) for name in "pqr"]
    assert [counts(info) for info in infos] == [(0, 1, 0, 1)] * 3
    assert all(info.state == pps.JOB_SUCCESS and info.HasField("started") for info in infos)
    assert len({info.finished.ToNanoseconds() for info in infos}) == 1
    assert tree(client, "r", at) == tree(client, "r", before) == {"/x": "xy"}
    assert [len(list(client.list_datum(name, at))) for name in "pqr"] == [1, 1, 1]


def test_a_job_behind_idle_ones_whose_other_input_changed_does_its_work(pachd):
    client = pachd.client()
    dag(client)
    with client.transaction() as transaction:
        for repo in "ab":
            client.start_commit(repo, "master")
    client.put_file_bytes(("b", transaction.id), "/y", b"z", append=False)
    for repo in "ab":
        client.finish_commit((repo, transaction.id))
    assert [counts(wait(client, name, transaction.id)) for name in "pqr"] == [(0, 1, 0, 1), (0, 1, 0, 1), (1, 0, 0, 1)]
    assert tree(client, "r", transaction.id) == {"/x": "xz"}


def test_a_job_that_has_waited_for_its_inputs_for_a_moment_is_starting(pachd):
    client = pachd.client()
    dag(client)
    commit = client.start_commit("a", "master")

    def states():
        return [next(iter(client.inspect_job(commit.id, name))).state for name in "pqr"]

    until(lambda: states() == [pps.JOB_STARTING] * 3)
    client.finish_commit(commit)
    assert wait(client, "r", commit.id).state == pps.JOB_SUCCESS
