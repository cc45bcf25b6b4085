"""pachctl on a real pachd: what is put is got, what is asked is shown, what is refused leaves no trace."""

from __future__ import annotations

import io
import json
import re
import tarfile

import pytest
import yaml


def _head(pachctl, name: str) -> str:
    return json.loads(pachctl.ok("inspect", "commit", name, "--raw").out)["commit"]["id"]


def test_a_repo_lives_through_its_commands(connected):
    connected.ok("create", "repo", "data", "-d", "input")
    assert connected.ok("list", "repo").rows[1][:2] == [connected.project, "data"]
    assert connected.fails("create", "repo", "data").startswith("rpc error: code = AlreadyExists desc = ")
    connected.ok("update", "repo", "data", "-d", "changed")
    assert "Description: changed\n" in connected.ok("inspect", "repo", "data").out
    assert connected.ok("delete", "repo", "data").err == "Repo deleted.\n"
    assert connected.fails("delete", "repo", "data") == "No repo deleted."


def test_files_come_back_as_they_went_in(connected, tmp_path):
    connected.ok("create", "repo", "data")
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "one").write_bytes(b"\x00\xff" * 3000)
    (tmp_path / "d" / "sub" / "two").write_text("zwei\n")
    (tmp_path / "d" / "empty").write_text("")
    connected.ok("put", "file", "-r", "data@master:/", "-f", "d")
    connected.ok("put", "file", "data@master:/a b", stdin=b"from stdin")
    listed = connected.ok("glob", "file", "data@master:**").out.splitlines()
    assert [line.split("\t")[1] for line in listed] == ["NAME", "/a b", "/empty", "/one", "/sub/", "/sub/two"]
    connected.ok("get", "file", "-r", "data@master:/", "-o", "back")
    for name in ("one", "sub/two", "empty", "a b"):
        before = tmp_path / "d" / name
        assert (tmp_path / "back" / name).read_bytes() == (before.read_bytes() if before.exists() else b"from stdin")
    assert connected.ok("get", "file", "data@master:/a b", "--offset", "5").out == "stdin"


def test_a_file_is_replaced_unless_it_is_appended_to(connected):
    connected.ok("create", "repo", "data")
    for words, stdin in ((("data@m:/x",), b"1"), (("data@m:/x",), b"2"), (("-a", "data@m:/x"), b"3")):
        connected.ok("put", "file", *words, stdin=stdin)
    assert connected.ok("get", "file", "data@m:/x").out == "23"


def test_an_archive_is_put_file_by_file(connected, tmp_path):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        for name in ("x", "y/z"):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
    connected.ok("create", "repo", "data")
    connected.ok("put", "file", "data@m", "--untar", "-f", "a.tgz")
    assert connected.ok("list", "file", "data@m").rows == [["SIZE", "NAME"], ["3B", "/x"], ["3B", "/y/"]]
    (tmp_path / "bad.tar").write_text("no tar")
    assert connected.fails("put", "file", "data@m", "--untar", "-f", "bad.tar") == "unexpected EOF"


def test_a_put_that_fails_half_way_leaves_no_commit(connected, tmp_path):
    connected.ok("create", "repo", "data")
    (tmp_path / "a").write_text("a")
    text = connected.fails("put", "file", "data@master", "-f", "a", "-f", "nosuch")
    assert text == "open nosuch: no such file or directory"
    assert connected.ok("list", "branch", "data").rows == [["BRANCH", "HEAD", "TRIGGER", "CREATOR", "CREATED"]]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("put file data@m", "must specify filename when reading data from stdin"),
        ("put file -r data@m:/r -f -", "cannot set -r and read from stdin (must also set -f or -i)"),
        ("put file data@m -r -f nosuch", "nosuch doesn't exist"),
        ("put file data@m -i nosuch", "open nosuch: no such file or directory"),
        ("put file data@m -f .", "read .: is a directory"),
        ("get file -r data@m:/", "an output path needs to be specified when using the --recursive flag"),
        ("diff file", "expected 1 to 2 arguments, got 0"),
        ("list repo -o json", "cannot set --output (-o) without --raw"),
        ("list repo --raw -o xml", 'unrecognized encoding: "xml" (must be "yaml" or "json")'),
        ("list job --state success", "cannot specify '--state' when listing all jobs"),
        ("logs --pipeline p --job p@x", "only one of pipeline or job should be specified"),
        ("logs --pipeline p --tail 2", "tail has been deprecated and removed from Pachyderm, use --since instead"),
        ("edit metadata repo data add", "parse cmdline: must supply arguments in multiples of 4"),
        ("finish transaction", "no active transaction"),
        ("delete pipeline", "either a pipeline name or the --all flag needs to be provided"),
        ("create pipeline -f nosuch", 'could not open path "nosuch": open nosuch: no such file or directory'),
    ],
)
def test_a_users_mistake_is_one_line_and_status_1(connected, words, problem):
    connected.ok("create", "repo", "data")
    assert connected.fails(*words.split()).splitlines()[0] == problem


def test_a_missing_branch_is_told_with_the_step_that_missed_it(connected):
    connected.ok("create", "repo", "data")
    project = connected.project
    assert connected.fails("inspect", "commit", "data@nosuch") == (
        f'pick commit tx: commit {project}/data@ not found\nbranch "nosuch" not found in repo {project}/data'
    )
    assert connected.fails("get", "file", "data@nosuch:/x").startswith(
        f"couldn't download /x from {project}/data@nosuch: get file: pick commit tx: commit {project}/data@ not found\n"
    )


def test_commits_are_started_written_finished_and_found(connected):
    connected.ok("create", "repo", "data")
    identity = connected.ok("start", "commit", "data@master", "-m", "first").out.strip()
    connected.ok("put", "file", f"data@{identity}:/f", stdin=b"x")
    connected.ok("finish", "commit", "data@master")
    shown = connected.ok("wait", "commit", "data@master").out.splitlines()
    assert shown[:2] == [f"Commit: data@{identity}", "Description: first"]
    assert shown[-1] == "Size: 1B"
    connected.ok("put", "file", "data@master:/g", stdin=b"y")
    found = connected.ok("find", "commit", "data@master:/f").out.splitlines()
    assert found[:2] == ["FOUND IN COMMITS", identity]
    assert [row[2] for row in connected.ok("list", "commit", "data@master").rows[1:]][-1] == identity
    assert connected.ok("list", "commit", "data@master", "-n", "1").out.count("\n") == 2


def test_found_commits_in_json_are_null_where_there_are_none_and_have_no_branches(connected):
    connected.ok("create", "repo", "data")
    connected.ok("put", "file", "data@master:/f", stdin=b"1")
    found = json.loads(connected.ok("find", "commit", "data@master:/f", "--json").out)
    assert [sorted(commit) for commit in found["FoundCommits"]] == [["id", "repo"]]
    none = json.loads(connected.ok("find", "commit", "data@master:/g", "--json").out)
    assert none == {"FoundCommits": None, "LastSearchedCommit": found["FoundCommits"][0], "CommitsSearched": 1}


def test_raw_output_is_json_or_yaml_of_the_same_message_without_redundant_branches(connected):
    connected.ok("create", "repo", "data")
    connected.ok("put", "file", "data@master:/f", stdin=b"x")
    as_json = json.loads(connected.ok("inspect", "commit", "data@master", "--raw").out)
    as_yaml = yaml.safe_load(connected.ok("inspect", "commit", "data@master", "--raw", "-o", "yaml").out)
    assert as_json == as_yaml
    assert set(as_json["commit"]) == {"id", "repo"}
    assert as_json["details"]["size_bytes"] == "1"
    both = connected.ok("list", "file", "data@master", "--raw", "-o", "YAML").out
    assert [each["file"]["path"] for each in yaml.safe_load_all(both)] == ["/f"]


def test_a_pipeline_is_made_run_shown_and_deleted(connected):
    connected.ok("create", "repo", "data")
    connected.ok("put", "file", "data@master:/a", stdin=b"a\n")
    spec = {
        "pipeline": {"name": "copy"},
        "transform": {
            "image": "python:3.11-slim-bookworm",
            "cmd": ["sh"],
            "stdin": ["cp /pfs/data/* /pfs/out/ && echo done"],
        },
        "input": {"pfs": {"repo": "data", "glob": "/*"}},
    }
    connected.ok("create", "pipeline", stdin=json.dumps(spec).encode())
    identity = _head(connected, "copy@master")
    table = connected.ok("wait", "job", f"copy@{identity}").rows
    assert " ".join(table[1]).endswith("0 1 + 0 / 1 2B 2B success")
    assert connected.ok("get", "file", "copy@master:/a").out == "a\n"
    assert connected.ok("list", "job").rows[1][:2] == [identity, "1"]
    shown = connected.ok("inspect", "job", f"copy@{identity}").out
    assert "\nState: success\nReason: \nProcessed: 1\n" in shown
    assert r'"cp /pfs/data/* /pfs/out/ \u0026\u0026 echo done"' in shown
    assert connected.ok("list", "pipeline").rows[1][1:4] == ["copy", "1", f"{connected.project}/data:/*"]
    datum = connected.ok("list", "datum", f"copy@{identity}").rows[1][0]
    assert connected.ok("inspect", "datum", f"copy@{identity}", datum).out.startswith(f"ID\t{datum}\n")
    assert "+-----------+" in connected.ok("draw", "pipeline").out
    assert connected.ok("logs", "--job", f"copy@{identity}").out == "done\n"
    connected.ok("delete", "pipeline", "copy")
    assert connected.ok("list", "pipeline").out.count("\n") == 1


def test_a_dry_run_shows_the_effective_spec_and_makes_nothing(connected):
    connected.ok("create", "repo", "data")
    spec = '{"pipeline": {"name": "p"}, "transform": {"image": "i:1"}, "input": {"pfs": {"repo": "data", "glob": "/"}}}'
    out = connected.ok("create", "pipeline", "--dry-run", stdin=spec.encode()).out
    assert out.startswith("Name: p\nParallelism Spec: <nil>\n")
    raw = connected.ok("create", "pipeline", "--dry-run", "--raw", stdin=spec.encode()).out
    assert json.loads(raw)["datumTries"] == "3"
    assert connected.ok("list", "pipeline").out.count("\n") == 1


def test_a_transaction_keeps_commands_until_it_is_finished(connected):
    assert connected.ok("start", "transaction").out.startswith('started new transaction: "')
    assert connected.ok("create", "repo", "data").out.startswith("Added to transaction: ")
    assert connected.ok("list", "repo").out.count("\n") == 1
    assert f"  create repo {connected.project}/data\n" in connected.ok("inspect", "transaction").out
    assert connected.ok("finish", "transaction").out.startswith("Completed transaction with 1 requests: ")
    assert connected.ok("list", "repo").rows[1][1] == "data"


def test_a_project_is_deleted_only_after_yes(connected):
    connected.ok("create", "repo", "data")
    name = connected.project
    ran = connected("delete", "project", name, stdin=b"n\n")
    assert (ran.status, ran.out) == (1, f"This will delete repo {name}/data\ngot confirm result: n\n\n")
    assert connected.fails("delete", "project", name).endswith("(y/N): EOF")
    assert "warning: deleted current project" in connected.ok("delete", "project", name, stdin=b"y\n").err


def test_the_commands_of_1_7_work_on_todays_pachd(connected, tmp_path):
    (tmp_path / "iris.csv").write_text("5.1\n")
    assert "today: pachctl create repo training" in connected.ok("create-repo", "training").err
    connected.ok("put-file", "training", "master", "iris.csv", "-c", "-f", "iris.csv")
    assert connected.ok("get-file", "training", "master", "iris.csv").out == "5.1\n"


def test_a_stored_deletion_is_told_as_done_and_a_dry_run_is_never_stored(connected):
    connected.ok("create", "repo", "data")
    connected.ok("start", "transaction")
    assert connected.ok("delete", "repo", "gone").err == "Repo deleted.\n"
    spec = (
        b'{"pipeline": {"name": "p"}, "transform": {"cmd": ["true"]}, "input": {"pfs": {"repo": "data", "glob": "/"}}}'
    )
    dry = connected.ok("create", "pipeline", "--dry-run", stdin=spec).out
    assert dry.startswith("Name: p\n")
    assert "\nAdded to transaction: " in dry
    assert connected.ok("finish", "transaction").out.startswith("Completed transaction with 1 requests: ")
    assert "p" not in [row[1] for row in connected.ok("list", "pipeline").rows]


def test_an_editor_that_fails_is_told_with_its_command_line(connected):
    connected.ok("create", "repo", "data")
    spec = (
        b'{"pipeline": {"name": "p"}, "transform": {"cmd": ["true"]}, "input": {"pfs": {"repo": "data", "glob": "/"}}}'
    )
    connected.ok("create", "pipeline", stdin=spec)
    path = r"\S+/p-\d+\.pipeline\.json"

    def fails(editor: str) -> str:
        return connected.fails("edit", "pipeline", "p", "--editor", editor)

    assert re.fullmatch(rf'nosuch {path}: exec: "nosuch": executable file not found in \$PATH', fails("nosuch"))
    assert re.fullmatch(rf"\./nosuch {path}: fork/exec \./nosuch: no such file or directory", fails("./nosuch"))
    assert re.fullmatch(rf"false {path}: exit status 1", fails("false"))
    said = fails("ls --nosuch")
    assert re.search(rf"\nls --nosuch {path}\nStderr: ls: .*\n\nError: exit status 2$", said, re.S)
    assert fails("truncate -s 0") == "EOF"


def test_a_status_without_alerts_shows_nothing_and_a_cluster_without_a_log_store_says_so(connected):
    assert connected.ok("check", "status").out == ""
    missing = "rpc error: code = Unknown desc = loki not configured, is it running in the same namespace as pachd?"
    assert connected.fails("loki", "{}") == missing
    assert connected.fails("kube-events") == missing
    assert connected.fails("loki", "{}", "--since", "x") == 'parse since("0s"): time: invalid duration "x"'


def test_tasks_are_those_of_a_service_that_has_them(connected):
    assert connected.ok("list", "task", "pps").out == ""
    assert connected.ok("list", "task", "pfs", "-n", "x", "-g", "y").out == ""
    assert connected.fails("list", "task", "pps", "-g", "y") == "must set a task namespace to list a group"
    assert connected.fails("list", "task", "auth") == "auth is not a valid task service"


def test_a_folder_in_a_files_place_is_opened_and_cannot_be_read(connected):
    spec = "malformed pipeline spec: yaml: input error: read .: is a directory"
    assert connected.fails("create", "pipeline", "-f", ".") == spec
    assert connected.fails("validate", "pipeline", "-f", ".") == spec
    assert connected.fails("create", "pipeline", "--jsonnet", ".") == (
        'could not read Jsonnet file ".": read .: is a directory'
    )
    assert connected.fails("update", "defaults", "--cluster", "-f", ".") == (
        "could not read input as YAML: could not read all: read .: is a directory"
    )
    assert connected.fails("create", "secret", "-f", ".") == "read .: is a directory"
    connected.ok("create", "repo", "data")
    connected.ok("put", "file", "data@master", "-i", ".")
