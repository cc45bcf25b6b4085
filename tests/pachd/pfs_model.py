"""A plain in-memory model of the versioned file system: what repos, branches, commits and files must look like.

Written from the rules, without the daemon's code: dictionaries, loops, no SQL. Operations change the model or raise
Refused and leave it alone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

USER, AUTO = 1, 2


class Refused(Exception):
    """The operation must fail, and change nothing."""


@dataclass(eq=False)
class Commit:
    repo: str
    set: int  # the number of the write that made it
    branch: str
    parent: Commit | None
    origin: int
    provenance: list[Commit] = field(default_factory=list)
    operations: list[tuple] = field(default_factory=list)
    state: str = "open"  # open, finishing, finished
    error: str = ""
    files: dict[str, bytes] | None = None  # once finished without error

    def base(self) -> Commit | None:
        above = self.parent
        while above is not None and above.error:
            above = above.parent
        return above

    def content(self) -> dict[str, bytes] | None:
        """Path to bytes; None while it cannot be read because its base is unfinished."""
        if self.files is not None:
            return self.files
        base = self.base()
        if base is not None and base.state != "finished":
            return None
        files = dict(base.content() or {}) if base else {}
        for kind, path, data in self.operations:
            if kind == "put":
                files[path] = data
            elif kind == "append":
                files[path] = files.get(path, b"") + data
            elif path.endswith("/"):
                files = {name: old for name, old in files.items() if not name.startswith(path)}
            else:
                files.pop(path, None)
        return files


@dataclass(eq=False)
class Branch:
    repo: str
    name: str
    head: Commit
    upstream: list[Branch] = field(default_factory=list)


class Model:
    """The whole file system. `writes` counts writes: the commits of one write are of one set."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, Branch]] = {}
        self.commits: list[Commit] = []  # by age
        self.writes = 0

    # ------------------------------------------------------------------ all or nothing

    def write(self, operation, *arguments, **options):
        """Run an operation; when it is refused, everything is as before."""
        before = copy.deepcopy(self.__dict__)
        self.writes += 1
        self.moved: list[Branch] = []
        try:
            getattr(self, operation)(*arguments, **options)
            self.propagate()
        except Refused:
            self.__dict__.update(before)
            self.writes += 1
            raise

    # ------------------------------------------------------------------ looking

    def branches(self) -> list[Branch]:
        return [branch for repo in self.repos.values() for branch in repo.values()]

    def downstream(self, branch: Branch) -> list[Branch]:
        return [other for other in self.branches() if branch in other.upstream]

    def closure(self, start, step) -> list:
        found: list = []
        edge = [start]
        while edge:
            edge = [near for node in edge for near in step(node) if near not in found]
            found += [node for number, node in enumerate(edge) if node not in edge[:number]]
        return found

    def children(self, commit: Commit) -> list[Commit]:
        return [other for other in self.commits if other.parent is commit]

    def dependents(self, commit: Commit) -> list[Commit]:
        return self.closure(commit, lambda c: [other for other in self.commits if c in other.provenance])

    def branch(self, repo: str, name: str) -> Branch:
        if name not in self.repos.get(repo, {}):
            raise Refused(f"no branch {repo}@{name}")
        return self.repos[repo][name]

    # ------------------------------------------------------------------ parts of operations

    def add(self, repo: str, branch: str, parent: Commit | None, upstream: list[Branch], origin: int) -> Commit:
        if any(commit.repo == repo and commit.set == self.writes for commit in self.commits):
            raise Refused("a second commit of one repo in one set")
        commit = Commit(repo, self.writes, branch, parent, origin, [up.head for up in upstream])
        self.commits.append(commit)
        return commit

    def empty(self, repo: str, branch: str, parent: Commit | None, upstream: list[Branch]) -> Commit:
        commit = self.add(repo, branch, parent, upstream, AUTO)
        if not upstream:
            commit.state, commit.files = "finished", {}
        return commit

    def propagate(self) -> None:
        for branch in self.moved:
            together = self.closure(branch, lambda b: b.upstream + self.downstream(b))
            members = {id(member): member for member in [branch, *together]}.values()
            if len({member.repo for member in members}) < len(members):
                raise Refused("two branches of one repo in a DAG")
        below = [other for branch in self.moved for other in self.closure(branch, self.downstream)]
        waiting = list(dict.fromkeys(below))
        while waiting:
            ready = next(b for b in waiting if not any(up in waiting for up in b.upstream))
            waiting.remove(ready)
            if ready.head.set != self.writes:
                ready.head = self.add(ready.repo, ready.name, ready.head, ready.upstream, AUTO)

    def complete(self, commit: Commit) -> None:
        base = commit.base()
        if commit.state == "finishing":
            if not commit.error:
                if base is not None and base.state != "finished":
                    return
                commit.files = commit.content()
            commit.state = "finished"
        for child in self.children(commit):
            if child.state == "finishing":
                self.complete(child)

    def remove(self, commit: Commit) -> None:
        children = self.children(commit)
        if any(child.state != "finished" for child in children):
            raise Refused("an unfinished child")
        heads = [branch for branch in self.branches() if branch.head is commit]
        if heads:
            to = commit.parent
            if to is None:
                to = next((c for c in self.commits if c.repo == commit.repo and c.set == self.writes), None)
            if to is None:
                first = heads[0]
                to = self.empty(first.repo, first.name, None, first.upstream)
            for branch in heads:
                branch.head = to
        for child in children:
            child.parent = commit.parent
        self.forget([commit])
        for child in children:
            self.complete_below(child)

    def complete_below(self, commit: Commit) -> None:
        """What waited for a base that is gone may be finished now; commits with an error are seen through."""
        if commit.state == "finishing":
            self.complete(commit)
        elif commit.error:
            for child in self.children(commit):
                self.complete_below(child)

    def forget(self, gone: list[Commit]) -> None:
        self.commits = [commit for commit in self.commits if commit not in gone]
        for commit in self.commits:
            commit.provenance = [above for above in commit.provenance if above not in gone]
            if commit.parent in gone:
                commit.parent = None

    # ------------------------------------------------------------------ operations

    def create_repo(self, name: str) -> None:
        if name in self.repos:
            raise Refused("exists")
        self.repos[name] = {}

    def delete_repo(self, name: str, force: bool) -> None:
        if name not in self.repos:
            return
        order = sorted(self.repos[name].values(), key=lambda b: -len(self.closure(b, lambda x: x.upstream)))
        for branch in order:
            self.delete_branch(name, branch.name, force)
        del self.repos[name]
        self.forget([commit for commit in self.commits if commit.repo == name])

    def create_branch(self, repo: str, name: str, upstream: list[tuple[str, str]], head: Commit | None) -> None:
        if repo not in self.repos:
            raise Refused("no repo")
        given = list(dict.fromkeys(upstream))
        if len({up for up, _ in given}) < len(given):
            raise Refused("two branches of one repo in a DAG")
        ups = []
        for up_repo, up_name in given:
            if up_repo not in self.repos:
                raise Refused("no upstream repo")
            if up_name not in self.repos[up_repo]:
                made = self.empty(up_repo, up_name, None, [])
                self.repos[up_repo][up_name] = Branch(up_repo, up_name, made)
            ups.append(self.repos[up_repo][up_name])
        if any(up.repo == repo for up in ups):
            raise Refused("own repo")
        if head is not None and head.repo != repo:
            raise Refused("head of another repo")
        found = self.repos[repo].get(name)
        if found and any(up in self.closure(found, self.downstream) for up in ups):
            raise Refused("cycle")
        before = set(map(id, found.upstream)) if found else set()
        new = head or (found.head if found else None)
        moved = head is not None
        if new is None or (ups and set(map(id, ups)) != before):
            new = self.empty(repo, name, new, ups)
            moved = True
        branch = found or Branch(repo, name, new)
        branch.head, branch.upstream = new, ups
        self.repos[repo][name] = branch
        if moved:
            self.moved.append(branch)

    def delete_branch(self, repo: str, name: str, force: bool) -> None:
        branch = self.branch(repo, name)
        if self.downstream(branch) and not force:
            raise Refused("depended on")
        for other in self.downstream(branch):
            other.upstream.remove(branch)
        del self.repos[repo][name]

    def start(self, repo: str, name: str, parent: Commit | None = None) -> Commit:
        if repo not in self.repos:
            raise Refused("no repo")
        found = self.repos[repo].get(name)
        above = parent or (found.head if found else None)
        if above is not None and above.state == "open":
            raise Refused("open parent")
        upstream = found.upstream if found else []
        commit = self.add(repo, name, above, upstream, USER)
        if upstream:
            raise Refused("output branch")
        branch = found or Branch(repo, name, commit)
        branch.head = commit
        self.repos[repo][name] = branch
        self.moved.append(branch)
        return commit

    def finish(self, commit: Commit, error: str) -> None:
        if commit.state != "open":
            raise Refused("finished already")
        commit.state, commit.error = "finishing", error
        self.complete(commit)

    def modify(self, repo: str, name: str, operations: list[tuple]) -> None:
        """A ModifyFile on a branch: into its open head, or as a commit of its own."""
        found = self.repos.get(repo, {}).get(name)
        if found is not None and found.head.state == "open":
            found.head.operations += operations
            return
        commit = self.start(repo, name)
        commit.operations += operations
        self.finish(commit, "")

    def clear(self, commit: Commit) -> None:
        if commit.state != "open":
            raise Refused("finished")
        commit.operations = []

    def remove_set(self, number: int, how: str) -> None:
        members = [commit for commit in self.commits if commit.set == number]
        if any(below.set != number for commit in members for below in self.dependents(commit)):
            raise Refused("another set depends on it")
        self.check_removal(members, how)
        while members:  # upstream first
            ready = next(c for c in members if not any(up in members for up in c.provenance))
            members.remove(ready)
            self.remove(ready)

    def remove_one(self, commit: Commit, recursive: bool, how: str) -> None:
        members = [commit, *self.dependents(commit)]
        if len(members) > 1 and not recursive:
            raise Refused("others depend on it")
        self.check_removal(members, how)
        for member in members:
            self.remove(member)

    def check_removal(self, members: list[Commit], how: str) -> None:
        for commit in members:
            if bool(self.children(commit)) != (how == "squash"):
                raise Refused("children")
