"""What a Pachyderm 2.12 says around the cause when it refuses.

A cluster names the step that failed before the cause (`pick commit tx: commit P/r@ not found`, then `branch "b" not
found in repo P/r`); the embedded pachd answers with the bare cause, because python_pachyderm matches texts from their
start. The screens of this command are the cluster's, whoever answers: what has its surroundings is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from workshop.pachctl.address import is_id

_MISSING = re.compile(r'(?:branch "[^"]*"|repo \S+|commit \S+) not found')
_SURROUNDED = re.compile(r"pick commit tx: commit \S+ not found\n")
_STORED = re.compile(r"error running request (\d+) of (\d+): ")
_IN_TRANSACTION = {"FinishCommit": "finish commit in transaction: ", "GetFile": "get file: "}


def surrounded(
    method: str,
    request: Mapping[str, Any] | None,
    text: str,
    code: str,
    lacking: Callable[[Mapping[str, Any]], str] = lambda repo: "",
) -> str:
    """The text of a refusal of METHOD with what belongs before it. REQUEST is what was asked; `lacking` tells of a repo
    whether it ("repo") or its "project" is not there, and is asked only where the text does not say what is missing.
    """
    if stored := _STORED.match(text):
        cause = text[stored.end() :]
        if stored[1] == stored[2]:  # the last of a transaction's requests is the one that is asked to be stored
            cause = surrounded(method, request, cause, code, lacking)
        before = "delete repo: " if method.endswith("/DeleteRepo") else ""
        return before + stored[0] + cause.removeprefix(before)
    name, asked = method.rsplit("/", 1)[1], request or {}
    if _SURROUNDED.search(text):
        by_id = name == "CreateBranch" and (asked.get("head") or {}).get("id")
        return re.sub(r'\nbranch "[^"]*"', '\nbranch ""', text) if by_id else text
    if name == "StartCommit":
        return _start_commit(asked, text)
    if name == "CreateProject" and text == f"project {asked['project']['name']} already exists":
        return f'project "{asked["project"]["name"]}" already exists\n{text}'
    if name == "DeleteRepo" and text.startswith("cannot delete a repo associated with a pipeline"):
        return f'delete repo: error checking whether repo "{_repo(asked["repo"])}" can be deleted: {text}'
    if code != "NotFound":
        return _unstarted(name, text)
    if name in ("InspectBranch", "DeleteBranch") and _MISSING.match(text):
        return _branch(name, asked["branch"], lacking)
    if name == "CreateBranch":
        return _create_branch(asked, text, lacking)
    if name == "SubscribeCommit" and text.startswith("repo "):
        return f"get repo ID: {_missing_repo(asked['repo'], lacking)}"
    commit = _commit_modified(asked, text) if name == "ModifyFile" else _commit_asked(name, asked, text)
    if commit is None:
        return text
    if match := re.match(r"(file .* not found in repo .* at commit) \S+$", text, re.S):
        return f"{match.group(1)} {commit['id']}"  # a cluster repeats the id that the request gave, or none
    before = _IN_TRANSACTION.get(name, "")
    cause = text.removeprefix(before).removeprefix("pick commit tx: ")
    if name == "InspectFile" and cause.startswith("branch ") and lacking(commit["repo"]):
        cause = f"repo {_repo(commit['repo'])} not found"  # the embedded pachd misses the branch, for python_pachyderm
    if cause.startswith('project "'):
        return f"{before}{_projectless(commit)}{cause}"
    return f"{before}{_unpicked(commit)}\n{cause}" if _MISSING.match(cause) else text


def _unstarted(name: str, text: str) -> str:
    """`get file` tells its step for other causes, too."""
    if name == "GetFile" and text.startswith(("pick commit tx: ", "cannot pick commit")):
        text = text if text.startswith("pick") else f"pick commit tx: {text}"
        return f"get file: {text}"
    return text


def _unpicked(commit: Mapping[str, Any]) -> str:
    return f"pick commit tx: commit {_repo(commit['repo'])}@{commit['id']} not found"


def _repo(repo: Mapping[str, Any]) -> str:
    suffix = f".{repo['type']}" if repo.get("type") not in ("", "user") else ""
    return f"{repo['project']['name']}/{repo['name']}{suffix}"


def _projectless(commit: Mapping[str, Any]) -> str:
    """The steps to a commit that ended at its project."""
    branch = "" if is_id(commit["id"]) else "picking branch: "
    return f"pick commit tx: picking commit: {branch}picking repo: picking project: "


def _missing_repo(repo: Mapping[str, Any], lacking: Callable[[Mapping[str, Any]], str]) -> str:
    """A repo that is not there, row by row."""
    project = repo["project"]["name"]
    above = f'get project by name: project "{project}" not found\n' if lacking(repo) == "project" else ""
    return f"{above}repo (id=0, project={project}, name={repo['name']}, type={repo['type']}) not found"


def _commit_asked(name: str, asked: Mapping[str, Any], text: str) -> Mapping[str, Any] | None:
    """The commit that a request names, where a request names one."""
    if name == "DiffFile":
        files = [asked["new_file"], *([asked["old_file"]] if asked.get("old_file") else [])]
        named = [file["commit"] for file in files if _is_named(file["commit"], text)]
        return (named or [files[0]["commit"]])[0]
    places = {"FindCommits": "start", "ListCommit": "to", "Fsck": "zombie_target"}
    if "file" in asked:
        return asked["file"]["commit"]
    return asked.get(places.get(name, "commit"))


def _commit_modified(asked: Mapping[str, Any], text: str) -> Mapping[str, Any] | None:
    """The commit that was looked for: the one copied from, or the one to be changed. A branch's head need not be there
    to be changed: a cluster begins a commit on the branch then, and what fails is told without a step.
    """
    commit, source = asked["set_commit"], asked.get("source")
    looked_for = [*([source] if source else []), *([] if commit["branch"]["name"] else [commit])]
    return next((each for each in looked_for if _is_named(each, text)), None)


def _is_named(commit: Mapping[str, Any], text: str) -> bool:
    """Whether a refusal speaks of this commit."""
    branch, identity, project = commit["branch"]["name"], commit["id"], commit["repo"]["project"]["name"]
    return bool(
        (branch and f'"{branch}"' in text)
        or (identity and identity in text)
        or text.startswith((f"repo {_repo(commit['repo'])} ", f'project "{project}" '))
    )


def _start_commit(asked: Mapping[str, Any], text: str) -> str:
    before = "start commit in transaction: "
    text = text.removeprefix(before)
    if text.startswith("create commit: "):
        return before + text
    if "has not been finished" in text:
        return f"{before}create commit: {text}"
    if asked.get("parent") and _MISSING.match(text):
        return f"{before}create commit: parent commit not found: {_unpicked(asked['parent'])}\n{text}"
    return before + text


def _branch(name: str, branch: Mapping[str, Any], lacking: Callable[[Mapping[str, Any]], str]) -> str:
    """A branch that is not there is missed row by row."""
    repo = branch["repo"]
    row = f"branch (id=0, branch={_repo(repo)}@{branch['name']}) not found"
    if lacking(repo):
        row = f"{_missing_repo(repo, lacking)}\n{row}"
    if name == "DeleteBranch":
        return f'get branch "{repo["project"]["name"]}/{repo["name"]}.{repo["type"]}@{branch["name"]}": {row}'
    return f'inspect branch in transaction: {row}\nbranch "{branch["name"]}" not found in repo {_repo(repo)}'


def _create_branch(asked: Mapping[str, Any], text: str, lacking: Callable[[Mapping[str, Any]], str]) -> str:
    """What a new branch lacks: its head, its repo, a branch it comes from, or its trigger's branch."""
    head, trigger, own = asked.get("head") or {}, asked.get("trigger") or {}, asked["branch"]["repo"]
    if text.startswith("unable to inspect ") and "pick commit tx" not in text:
        text = text.partition(": ")[2]
    asked_for = f"{_repo(head['repo'])}@{head['id'] or head['branch']['name']}" if head else ""
    if head and text.startswith('project "'):
        return f"unable to inspect {asked_for}: {_projectless(head)}{text}"
    if head and _MISSING.match(text):
        if head["id"]:  # a branch's name given as the head travels as an id
            text = re.sub(r'^branch "[^"]*"', 'branch ""', text)
        return f"unable to inspect {asked_for}: pick commit tx: commit {asked_for} not found\n{text}"
    if trigger.get("branch") and text.startswith(f'branch "{trigger["branch"]}" not found'):
        row = f"branch (id=0, branch={_repo(own)}@{trigger['branch']}) not found"
        return f"create branch: update head: updating branch trigger: {row}"
    if trigger.get("branch"):
        return text
    for repo, before in [
        (own, ""),
        *((each["repo"], "create empty commit: ") for each in asked.get("provenance") or ()),
    ]:
        if text == f"repo {_repo(repo)} not found":
            # a cluster begins the branch's first commit, misses its repo, and names the commit that it gives up
            begun = f"{repo['project']['name']}/{repo['name']}.{repo['type']}@{uuid4().hex}"
            row = f"{_missing_repo(repo, lacking)}\ncommit (int_id=0, commit_id={begun}) not found"
            return f"{before}get commit by commit key: {row}"
    return text
