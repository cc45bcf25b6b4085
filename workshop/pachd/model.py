"""How Pachyderm's things are named. Plain values; `str()` gives the form that messages and error texts use."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_PROJECT = "default"
USER, META, SPEC = "user", "meta", "spec"


@dataclass(frozen=True, slots=True)
class RepoName:
    """A repo: `project/name`, or `project/name.type` when it is not a user's."""

    project: str
    name: str
    type: str = USER

    def __str__(self) -> str:
        return f"{self.project}/{self.name}" + ("" if self.type == USER else f".{self.type}")


@dataclass(frozen=True, slots=True)
class BranchName:
    """A branch: `project/name@branch`."""

    repo: RepoName
    name: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.name}"


@dataclass(frozen=True, slots=True)
class CommitName:
    """A commit, which its repo and its commit set's id identify: `project/name@id`."""

    repo: RepoName
    id: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.id}"


@dataclass(frozen=True, slots=True)
class CommitHandle:
    """What a request named: an id, or a branch, either with ancestry (`master^2`, `.1`). Resolved by pfs.commits.

    has_branch: whether there was one at all, be it without a name: then a branch's name as id is that of the branch.
    """

    repo: RepoName
    branch: str = ""
    id: str = ""
    has_branch: bool = True

    def __str__(self) -> str:
        if not self.id or self.id[0] in ".^~":
            return f"{self.repo}@{self.branch}{self.id}"
        return f"{self.repo}@{self.id}"


@dataclass(frozen=True, slots=True)
class PipelineName:
    """A pipeline: `project/name`. It owns the repos `name`, `name.spec` and `name.meta`."""

    project: str
    name: str

    def repo(self, type: str = USER) -> RepoName:
        return RepoName(self.project, self.name, type)

    def __str__(self) -> str:
        return f"{self.project}/{self.name}" if self.project else self.name


@dataclass(frozen=True, slots=True)
class JobName:
    """A job, named like its output commit: `project/pipeline@id`."""

    pipeline: PipelineName
    id: str

    def __str__(self) -> str:
        return f"{self.pipeline}@{self.id}"
