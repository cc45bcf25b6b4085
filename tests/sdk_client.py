"""What users of pachyderm-sdk do daily, on the pachd at HOST PORT: run by test_sdk.py with a python that has the SDK.

PYTHON tests/sdk_client.py HOST PORT
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pachyderm_sdk import Client, errors
from pachyderm_sdk.api import metadata, pfs, pps


@contextmanager
def refused(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")


def picked(project: pfs.Project, repo: str, branch: str) -> pfs.CommitPicker:
    name = pfs.RepoPickerRepoName(name=repo, type="user", project=pfs.ProjectPicker(name=project.name))
    head = pfs.BranchPickerBranchName(name=branch, repo=pfs.RepoPicker(name=name))
    return pfs.CommitPicker(branch_head=pfs.BranchPicker(name=head))


def files_of_all_sizes_come_back_as_they_were_put(client, project):
    repo = pfs.Repo(name="files", type="user", project=project)
    branch = pfs.Branch(name="master", repo=repo)
    client.pfs.create_repo(repo=repo)
    files = {"/empty": b"", "/folder/small": b"hello", "/large": os.urandom(25 << 20)}
    with client.pfs.commit(branch=branch) as commit:
        for path, data in files.items():
            commit.put_file_from_bytes(path=path, data=data)
    commit.wait()
    for path, data in files.items():
        with client.pfs.pfs_file(pfs.File(commit=commit, path=path)) as file:
            assert file.read() == data
    with client.pfs.pfs_tar_file(pfs.File(commit=commit, path="/folder")) as tar:
        assert [member.name for member in tar] == ["folder", "folder/small"]
    assert [info.file.path for info in client.pfs.glob_file(commit=commit, pattern="/**")] == [
        "/empty",
        "/folder/",
        "/folder/small",
        "/large",
    ]
    assert client.pfs.path_exists(pfs.File(commit=commit, path="/folder/small"))
    assert not client.pfs.path_exists(pfs.File(commit=commit, path="/nothing"))


def what_is_not_there_does_not_exist(client, project):
    repo = pfs.Repo(name="nothing", type="user", project=project)
    branch = pfs.Branch(name="master", repo=repo)
    assert not client.pfs.project_exists(pfs.Project(name="nothing"))
    assert not client.pfs.repo_exists(repo)
    assert not client.pfs.branch_exists(branch)
    assert not client.pfs.commit_exists(pfs.Commit(id="0" * 32, repo=repo))
    assert not client.pps.pipeline_exists(pps.Pipeline(name="nothing", project=project))
    with refused(errors.AuthServiceNotActivated):
        client.auth.who_am_i()


def a_transaction_makes_all_or_nothing(client, project):
    repos = [pfs.Repo(name=name, type="user", project=project) for name in ("first", "second")]
    with refused(RuntimeError), client.transaction.transaction():
        client.pfs.create_repo(repo=repos[0])
        raise RuntimeError
    assert not client.pfs.repo_exists(repos[0])
    with client.transaction.transaction():
        for repo in repos:
            client.pfs.create_repo(repo=repo)
    assert all(client.pfs.repo_exists(repo) for repo in repos)


def a_pipeline_runs_and_says_what_it_did(client, project):
    repo = pfs.Repo(name="words", type="user", project=project)
    client.pfs.create_repo(repo=repo)
    with client.pfs.commit(branch=pfs.Branch(name="master", repo=repo)) as commit:
        for word in ("one", "two"):
            commit.put_file_from_bytes(path=f"/{word}", data=word.encode())
    pipeline = pps.Pipeline(name="shout", project=project)
    client.pps.create_pipeline(
        pipeline=pipeline,
        input=pps.Input(pfs=pps.PfsInput(project=project.name, repo="words", branch="master", glob="/*")),
        transform=pps.Transform(cmd=["sh"], stdin=["tr a-z A-Z < $words > /pfs/out/$(basename $words); echo heard"]),
    )
    head = pfs.Commit.from_uri("sdk/shout@master")
    client.pfs.wait_commit(head)
    with client.pfs.pfs_file(pfs.File(commit=head, path="/two")) as file:
        assert file.read() == b"TWO"
    (job,) = client.pps.list_job(pipeline=pipeline)
    assert (job.state, job.data_processed) == (pps.JobState.JOB_SUCCESS, 2)
    datums = list(client.pps.list_datum(job=job.job))
    assert [client.pps.inspect_datum(datum=found.datum).state for found in datums] == [pps.DatumState.SUCCESS] * 2
    assert [line.message for line in client.pps.get_logs(job=job.job)].count("heard") == 2
    effective = json.loads(client.pps.inspect_pipeline(pipeline=pipeline, details=True).effective_spec_json)
    assert effective["input"]["pfs"]["glob"] == "/*" and effective["datumTries"] == "3"
    found = list(client.pfs.walk_commit_provenance(start=[picked(project, "shout", "master")]))
    assert {info.commit.repo.name for info in found} >= {"words", "shout"}
    client.pps.delete_pipeline(pipeline=pipeline)
    assert not client.pps.pipeline_exists(pipeline)


def calls_that_newer_clients_know_are_answered(client, project):
    spec = {"pipeline": {"name": "raw", "project": {"name": "sdk"}}, "transform": {"cmd": ["true"]}}
    spec["input"] = {"cron": {"name": "tick", "spec": "@never"}}
    said = client.pps.create_pipeline_v2(create_pipeline_request_json=json.dumps(spec))
    assert json.loads(said.effective_create_pipeline_request_json)["datumTries"] == "3"
    edit = metadata.Edit(project=pfs.ProjectPicker(name="sdk"), add_key=metadata.EditAddKey(key="owner", value="us"))
    client.metadata.edit_metadata(edits=[edit])
    assert client.pfs.inspect_project_v2(project=project).info.metadata == {"owner": "us"}
    (summary,) = client.pfs.repos_summary(projects=[pfs.ProjectPicker(name="sdk")]).summaries
    assert summary.project == project and summary.user_repo_count > 0
    client.pps.delete_pipeline(pipeline=pps.Pipeline(name="raw", project=project), force=True)


def main() -> None:
    client = Client(host=sys.argv[1], port=int(sys.argv[2]))
    project = pfs.Project(name="sdk")
    client.pfs.create_project(project=project)
    for use in USES:
        use(client, project)
        print(use.__name__, flush=True)


USES = [
    files_of_all_sizes_come_back_as_they_were_put,
    what_is_not_there_does_not_exist,
    a_transaction_makes_all_or_nothing,
    a_pipeline_runs_and_says_what_it_did,
    calls_that_newer_clients_know_are_answered,
]

if __name__ == "__main__":
    main()
