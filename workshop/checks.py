"""What a step makes true and what it needs, read off its lines; and whether it is so, asked of pachd.

A step is checked by its results, never by what was typed. `pachctl create repo training` promises a repo,
`put file -f` promises files, `create pipeline -f` promises a pipeline whose newest output is finished. The README adds
what no line says by itself, in comments:

    <!-- check: pipeline inference parallelism 3 -->
    <!-- check: file training@master:/iris.csv rows 143 -->
"""

import itertools
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.readme import Step, Workshop
from workshop.shell import split_pipeline

if TYPE_CHECKING:
    from python_pachyderm import Client


@dataclass(frozen=True)
class Fact:
    """Something that is true of a pachd or not: `kind` says what is asked, the rest of whom.

    repo NAME · branch REPO@BRANCH holds files · file REPO@BRANCH:/PATH (with `number` rows) ·
    pipeline NAME is there and its newest output finished · parallelism NAME is `number`
    """

    kind: str
    name: str
    number: int | None = None

    def __str__(self) -> str:
        return {
            "repo": f"the repo {self.name} exists",
            "branch": f"{self.name} holds files",
            "file": f"{self.name} exists" if self.number is None else f"{self.name} has {self.number} rows",
            "pipeline": f"the pipeline {self.name} has run, and its results are complete",
            "parallelism": f"the pipeline {self.name} has {self.number} workers",
        }[self.kind]


@dataclass(frozen=True)
class Finding:
    """A fact, and what is wrong with it ("" if it holds)."""

    fact: Fact
    problem: str = ""


class ChecksError(Exception):
    """A check in the README that is none; the text names it."""


def makes(step: Step, folder: Path) -> list[Fact]:
    """What is true once the step is done; `folder` is where its lines find specs and data."""
    facts: list[Fact] = []
    for words in _pachctl_commands(step):
        match words[:2]:
            case ["create", "repo"]:
                facts += [Fact("repo", words[2])]
            case ["put", "file"]:
                facts += _put_files(words[2:], folder)
            case ["create" | "update", "pipeline"]:
                facts += [Fact("pipeline", spec["pipeline"]["name"]) for spec in _specs(words, folder)]
    facts += [_from_comment(check) for check in step.checks]
    return list(dict.fromkeys(facts))


def needs(step: Step, folder: Path) -> list[Fact]:
    """What must be true before the step can begin: what its lines refer to, less what it makes itself."""
    own = makes(step, folder)
    facts: list[Fact] = []
    for words in _pachctl_commands(step):
        addresses = [word.split(":")[0] for word in words[2:] if "@" in word]
        if own:  # a step that changes things makes the older commits that it looks at, too
            addresses = [re.sub(r"[\^~].*", "", address) for address in addresses]
        match words[:2]:
            case ["put", "file"] if addresses:
                facts += [Fact("repo", addresses[0].split("@")[0])]
            case ["get" | "list", "file"] | ["wait" | "inspect", "commit"] if addresses:
                facts += [Fact("branch", addresses[0])]
            case ["create" | "update", "pipeline"]:
                for spec in _specs(words, folder):
                    facts += [Fact("branch", branch) for branch in inputs(spec["input"])]
    for command in step.commands:
        match shlex.split(command.text) if command.text.startswith("workshop lineage ") else []:
            case [*_, address]:
                facts += [Fact("branch", address.split(":")[0])]
    made = {fact.name for fact in own if fact.kind in {"repo", "pipeline"}}
    written = {fact.name.split(":")[0] for fact in own if fact.kind == "file"}
    return [
        fact
        for fact in dict.fromkeys(facts)
        if fact.name.split("@")[0] not in made and not (fact.kind == "branch" and fact.name in written)
    ]


def provider(fact: Fact, workshop: Workshop, folder: Path) -> Step | None:
    """The step that makes this fact true: the repo itself, files on the branch, or the pipeline that fills it.

    The first that does; for an older commit (`training@master^`) the last, which is what made it the older one.
    """
    repo, branch = fact.name.split("@")[0], re.sub(r"[\^~].*", "", fact.name)
    makers = [
        step
        for step in workshop.steps
        for made in makes(step, folder)
        if made == fact
        or (made.kind == "pipeline" and made.name == repo)
        or (fact.kind == "branch" and made.kind == "file" and made.name.split(":")[0] == branch)
    ]
    return next(iter(makers if branch == fact.name else reversed(makers)), None)


def missing(step: Step, workshop: Workshop, folder: Path, client: "Client") -> tuple[Finding, Step | None] | None:
    """The first thing the step needs that is not so, with the step that makes it; None if it may begin."""
    found = [(finding, provider(finding.fact, workshop, folder)) for finding in check(needs(step, folder), client)]
    lacking = [(finding, maker) for finding, maker in found if finding.problem and maker is not step]
    return min(lacking, key=lambda pair: pair[1].number if pair[1] else len(workshop.steps) + 1, default=None)


def check(facts: list[Fact], client: "Client") -> list[Finding]:
    """Ask pachd about each fact; only reads."""
    return [Finding(fact, _problem(fact, client)) for fact in facts]


def inputs(entry: dict) -> Iterator[str]:
    """The `repo@branch` names that an input of a pipeline spec reads, however it is nested."""
    for kind in ("cross", "union", "join", "group"):
        for inner in entry.get(kind) or ():
            yield from inputs(inner)
    if pfs := entry.get("pfs") or entry.get("atom"):
        yield f"{pfs['repo']}@{pfs.get('branch') or 'master'}"


def _pachctl_commands(step: Step) -> Iterator[list[str]]:
    """The words of each pachctl command of a step, without `pachctl`; lines for the shell alone are passed over."""
    for command in step.commands:
        for part in split_pipeline(command.text) or []:
            words = shlex.split(part)
            if words[0] == "pachctl" and len(words) > 2:
                yield words[1:]


def _option(words: list[str], *names: str) -> str | None:
    for name, value in itertools.pairwise(words):
        if name in names:
            return value
    return None


def _specs(words: list[str], folder: Path) -> list[dict]:
    """The pipeline specs of a `-f FILE`; nothing when they come from standard input or from elsewhere."""
    name = _option(words, "-f", "--file")
    if name is None or name == "-" or not (folder / name).is_file():
        return []
    document = json.loads((folder / name).read_text(encoding="utf-8"))
    return document if isinstance(document, list) else [document]


def _put_files(words: list[str], folder: Path) -> list[Fact]:
    """The files that `put file REPO@BRANCH[:/PATH] -f SOURCE` makes: one, or every file below a folder with -r."""
    address = next((word for word in words if "@" in word), None)
    source = _option(words, "-f", "--file")
    if address is None:
        return []
    branch, _, path = address.partition(":")
    path = "/" + path.strip("/")
    local = folder / source if source and source != "-" else None
    if local is not None and local.is_dir():
        top = path if ":" in address else f"/{local.name}"
        files = sorted(file for file in local.rglob("*") if file.is_file())
        return [Fact("file", f"{branch}:{top.rstrip('/')}/{file.relative_to(local).as_posix()}") for file in files]
    if {"-r", "--recursive"} & set(words):  # a folder that an earlier step has yet to make: some files, whichever
        return [Fact("branch", branch)]
    if path == "/" and local is not None:
        path = f"/{local.name}"
    return [Fact("file", f"{branch}:{path}")]


def _from_comment(text: str) -> Fact:
    match text.split():
        case ["file", address]:
            return Fact("file", address)
        case ["file", address, "rows", number] if number.isdigit():
            return Fact("file", address, int(number))
        case ["repo", name]:
            return Fact("repo", name)
        case ["branch", name]:
            return Fact("branch", name)
        case ["pipeline", name]:
            return Fact("pipeline", name)
        case ["pipeline", name, "parallelism", number] if number.isdigit():
            return Fact("parallelism", name, int(number))
    raise ChecksError(f"the README's check {text!r} is none that is known")


def _problem(fact: Fact, client: "Client") -> str:
    """What keeps the fact from being true, in words for the user; "" if nothing does."""
    import grpc

    try:
        return _ASK[fact.kind](fact, client)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            raise
        return error.details()


def _ask_repo(fact: Fact, client: "Client") -> str:
    client.inspect_repo(fact.name)
    return ""


def _ask_branch(fact: Fact, client: "Client") -> str:
    repo, branch = fact.name.split("@")
    (commit,) = client.inspect_commit((repo, branch))
    if not commit.HasField("finished"):
        return f"{fact.name} is still being written"
    if commit.error:
        return f"{fact.name} holds no result: {commit.error}"
    return "" if next(iter(client.list_file((repo, branch), "/")), None) else f"{fact.name} holds no file yet"


def _ask_file(fact: Fact, client: "Client") -> str:
    address, _, path = fact.name.partition(":")
    repo, branch = address.split("@")
    client.inspect_file((repo, branch), path)
    if fact.number is None:
        return ""
    text = client.get_file((repo, branch), path).read().decode(errors="replace")
    rows = sum(1 for line in text.splitlines() if line.strip())
    return "" if rows == fact.number else f"{fact.name} has {rows} rows, not {fact.number}"


def _ask_pipeline(fact: Fact, client: "Client") -> str:
    (info,) = client.inspect_pipeline(fact.name, details=True)
    return _ask_branch(Fact("branch", f"{fact.name}@{info.details.output_branch or 'master'}"), client)


def _ask_parallelism(fact: Fact, client: "Client") -> str:
    (info,) = client.inspect_pipeline(fact.name, details=True)
    workers = info.details.parallelism_spec.constant or info.parallelism or 1
    return "" if workers == fact.number else f"the pipeline {fact.name} has {workers} workers, not {fact.number}"


_ASK = {
    "repo": _ask_repo,
    "branch": _ask_branch,
    "file": _ask_file,
    "pipeline": _ask_pipeline,
    "parallelism": _ask_parallelism,
}
