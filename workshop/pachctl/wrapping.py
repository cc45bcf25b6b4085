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

_MISSING = re.compile(r'(?:branch "[^"]*"|repo \S+|commit \S+) not found')
_SURROUNDED = re.compile(r"pick commit tx: commit \S+ not found\n")
_IN_TRANSACTION = {"FinishCommit": "finish commit in transaction: ", "GetFile": "get file: "}


def surrounded(
    method: str,
    request: Mapping[str, Any] | None,
    text: str,
    code: str,
    exists: Callable[[Mapping[str, Any]], bool] = lambda repo: True,
) -> str:
    """The text of a refusal of METHOD with what belongs before it. REQUEST is what was asked; `exists` tells whether a
    repo is there, and is asked only where the text does not say what is missing.
    """
    name, asked = method.rsplit("/", 1)[1], request or {}
    if _SURROUNDED.search(text):
        return text
    if name == "StartCommit":
        return _start_commit(asked, text)
    if name == "CreateProject" and text == f"project {asked['project']['name']} already exists":
        return f'project "{asked["project"]["name"]}" already exists\n{text}'
    if code != "NotFound":
        return _unstarted(name, text)
    if name in ("InspectBranch", "DeleteBranch") and _MISSING.match(text):
        return _branch(name, asked["branch"], exists)
    if name == "CreateBranch":
        return _create_branch(asked, text)
    if name == "SubscribeCommit" and text.startswith("repo "):
        return f"get repo ID: {_repo_row(asked['repo'])} not found"
    commit = _commit_asked(name, asked, text)
    if commit is None:
        return text
    if match := re.match(r"(file .* not found in repo .* at commit) \S+$", text, re.S):
        return f"{match.group(1)} {commit['id']}"  # a cluster repeats the id that the request gave, or none
    before = _IN_TRANSACTION.get(name, "")
    cause = text.removeprefix(before).removeprefix("pick commit tx: ")
    if name == "InspectFile" and cause.startswith("branch ") and not exists(commit["repo"]):
        cause = f"repo {_repo(commit['repo'])} not found"  # the embedded pachd misses the branch, for python_pachyderm
    if cause.startswith('project "'):
        return f"{before}pick commit tx: picking commit: picking branch: picking repo: picking project: {cause}"
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


def _repo_row(repo: Mapping[str, Any]) -> str:
    return f"repo (id=0, project={repo['project']['name']}, name={repo['name']}, type={repo['type']})"


def _commit_asked(name: str, asked: Mapping[str, Any], text: str) -> Mapping[str, Any] | None:
    """The commit that a request names, where a request names one."""
    if name == "DiffFile":
        files = [asked["new_file"], *([asked["old_file"]] if asked.get("old_file") else [])]
        named = [file["commit"] for file in files if _is_named(file["commit"], text)]
        return (named or [files[0]["commit"]])[0]
    places = {"FindCommits": "start", "ListCommit": "to", "Fsck": "zombie_target", "ModifyFile": "set_commit"}
    if "file" in asked:
        return asked["file"]["commit"]
    return asked.get(places.get(name, "commit"))


def _is_named(commit: Mapping[str, Any], text: str) -> bool:
    """Whether a refusal speaks of this commit."""
    return any(each and f'"{each}"' in text for each in (commit["branch"]["name"],)) or (
        text.startswith(f"repo {_repo(commit['repo'])} ") or bool(commit["id"] and commit["id"] in text)
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


def _branch(name: str, branch: Mapping[str, Any], exists: Callable[[Mapping[str, Any]], bool]) -> str:
    """A branch that is not there is missed row by row."""
    repo = branch["repo"]
    row = f"branch (id=0, branch={_repo(repo)}@{branch['name']}) not found"
    if not exists(repo):
        row = f"{_repo_row(repo)} not found\n{row}"
    if name == "DeleteBranch":
        return f'get branch "{repo["project"]["name"]}/{repo["name"]}.{repo["type"]}@{branch["name"]}": {row}'
    return f'inspect branch in transaction: {row}\nbranch "{branch["name"]}" not found in repo {_repo(repo)}'


def _create_branch(asked: Mapping[str, Any], text: str) -> str:
    """What a new branch lacks: its head, its repo, a branch it comes from, or its trigger's branch."""
    head, trigger, own = asked.get("head") or {}, asked.get("trigger") or {}, asked["branch"]["repo"]
    if text.startswith("unable to inspect ") and "pick commit tx" not in text:
        text = text.partition(": ")[2]
    if head and _MISSING.match(text):
        asked_for = f"{_repo(head['repo'])}@{head['id'] or head['branch']['name']}"
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
            row = f"{_repo_row(repo)} not found\ncommit (int_id=0, commit_id={begun}) not found"
            return f"{before}get commit by commit key: {row}"
    return text
