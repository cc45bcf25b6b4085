"""`workshop why`: the reason of each datum, read from pachd alone."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from pachd.jobs.tools import make, pfs_input, put, wait
from python_pachyderm.proto.v2.pps import pps_pb2 as pps

from workshop.cli import main


@pytest.fixture
def why(pachd, monkeypatch):
    monkeypatch.setenv("PACHD_ADDRESS", pachd.address)

    def ask(name, *more):
        return CliRunner().invoke(main, ["why", name, *more])

    return ask


SCRIPT = 'grep -q bad $in && { echo Traceback of $in; echo "ValueError: bad"; exit 3; }; cp $in /pfs/out/'


def test_every_datum_of_a_job_has_a_reason(pachd, why):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1", "/b": "1", "/c": "1"})
    first = make(client, "p", pfs_input("in"), SCRIPT, datum_tries=1)
    wait(client, "p", first)
    assert "3 ran\nran: no job before this one succeeded\n" in why("p").stdout
    at = put(client, "in", {"/b": "2", "/d": "1"}, ["/c"])
    wait(client, "p", at)
    told = why("p").stdout
    assert told.startswith(f"p@{at}  version 1  success  ")
    assert f"compared with the job {first}" in told
    for line in (
        "skipped: it succeeded before, and none of its files changed since",
        "ran: in:/b changed",
        "ran: it is new",
    ):
        assert line in told.splitlines()
    assert "note: 1 datum of the job before is gone, output and all" in told
    assert why(f"p@{first}").stdout.startswith(f"p@{first}  version 1  success  3 ran")
    answer = json.loads(why("p", "--json").stdout)
    reasons = {tuple(datum["files"]): (datum["verdict"], datum["reason"]) for datum in answer["datums"]}
    assert reasons[("in:/d",)] == ("ran", "it is new") and reasons[("in:/a",)][0] == "skipped"


def test_a_failed_datum_is_named_with_the_last_lines_of_its_log_and_tried_again_later(pachd, why):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "bad"})
    job = make(client, "p", pfs_input("in"), SCRIPT, datum_tries=1)
    wait(client, "p", job)
    told = why("p").stdout
    assert "failure  1 failed\n  datum " in told
    assert "failed: exit status 3\n" in told
    assert "  in:/a\n    | Traceback of /pfs/in/a\n    | ValueError: bad\n" in told


def test_changed_code_that_skips_unchanged_datums_is_pointed_out_until_reprocessing(pachd, why):
    client = pachd.client()
    client.create_repo("in")
    put(client, "in", {"/a": "1"})
    wait(client, "p", make(client, "p", pfs_input("in"), SCRIPT))
    wait(client, "p", make(client, "p", pfs_input("in"), "echo new > /pfs/out/a", update=True))
    told = why("p").stdout
    assert (
        "note: transform.stdin changed since version 1, but unchanged datums are skipped all the same (1 datum here)"
        in told
    )
    assert "use --reprocess" in told
    wait(client, "p", make(client, "p", pfs_input("in"), "echo new > /pfs/out/a", update=True, reprocess=True))
    told = why("p").stdout
    assert "ran: the pipeline was updated with --reprocess" in told and "changed since version" not in told


def test_an_empty_join_key_is_remarked(pachd, why):
    client = pachd.client()
    for repo in "ab":
        client.create_repo(repo)
        put(client, repo, {"/1": "x"})
    source = pps.Input(
        join=[pfs_input("a", "/*", name="a", join_on="$1"), pfs_input("b", "/(*)", name="b", join_on="$1")]
    )
    wait(client, "p", make(client, "p", source, "true"))
    assert "note: join_on '$1' of input 'a' names $1, but its glob '/*' captures nothing" in why("p").stdout


def test_a_pipeline_or_job_that_is_not_there_is_one_line(pachd, why):
    client = pachd.client()
    client.create_repo("in")
    make(client, "p", pfs_input("in"), "true")
    missing = why("p@" + "0" * 32)
    assert missing.exit_code == 1 and missing.stderr == f"Error: p has no job {'0' * 32}\n"
    unknown = why("nope")
    assert unknown.exit_code and unknown.stderr.count("\n") == 1 and "nope" in unknown.stderr
