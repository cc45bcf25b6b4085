"""pfs_v2.API: commits and commit sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from workshop.pachd import errors, ids
from workshop.pachd.model import CommitHandle
from workshop.pachd.pfs import Pfs, Transaction, commits, filesets, history, rows, squash
from workshop.pachd.wire import encode, infos
from workshop.pachd.wire.names import (
    bounded,
    branch_name,
    commit_handle,
    commit_message,
    optional_commit,
    picked_commit,
    required,
    required_commit,
    required_repo,
)
from workshop.pachd.wire.schema import google, pfs_v2
from workshop.pachd.wire.serve import Call, raw_answer, transactional

T = TypeVar("T")


class Commits:
    """Commits and commit sets."""

    service = "pfs_v2.API"
    pfs: Pfs

    # ------------------------------------------------------------------ writing

    @transactional("start_commit", check=lambda request: optional_commit(request, "parent"))
    def StartCommit(self, request: Any, tx: Transaction) -> Any:
        parent = optional_commit(request, "parent")
        if not request.HasField("branch") or not request.branch.name:
            text = "branch must be specified"
            raise errors.PachydermError(text, f"start commit in transaction: {text}")
        return commit_message(commits.start(tx, branch_name(request.branch), parent, request.description))

    @transactional("finish_commit")
    def FinishCommit(self, request: Any, tx: Transaction) -> Any:
        try:
            handle = required_commit(request)
        except errors.PachydermError as error:
            raise error.wrapped("check new file commit: ") from None
        try:
            commit = commits.resolve(tx.db, handle)
        except errors.PachydermError as error:
            raise error.within("finish commit in transaction: ") from None
        commits.finish(tx, commit, request.error, request.description, request.force)
        return google.Empty()

    def ClearCommit(self, request: Any, call: Call) -> Any:
        handle = required_commit(request)
        with self.pfs.transaction() as tx:
            commits.clear(tx, handle)
        return google.Empty()

    @transactional("squash_commit_set", check=lambda request: _set_id(request))
    def SquashCommitSet(self, request: Any, tx: Transaction) -> Any:
        squash.squash_set(tx, _set_id(request))
        return google.Empty()

    def DropCommitSet(self, request: Any, call: Call) -> Any:
        id = required(request, "commit_set").id
        with self.pfs.transaction() as tx:
            squash.drop_set(tx, id)
        return google.Empty()

    def SquashCommit(self, request: Any, call: Call) -> Any:
        handle = _picked(request)
        with self.pfs.transaction() as tx:
            squash.squash(tx, handle, request.recursive)
        return pfs_v2.SquashCommitResponse()

    def DropCommit(self, request: Any, call: Call) -> Any:
        handle = _picked(request)
        with self.pfs.transaction() as tx:
            squash.drop(tx, handle, request.recursive)
        return pfs_v2.DropCommitResponse()

    def ForgetCommit(self, request: Any, call: Call) -> Any:
        try:
            with self.pfs.transaction() as tx:
                try:
                    commit = picked_commit(tx.db, request.commit)
                except errors.PachydermError as error:
                    raise error.wrapped("pick commits: ") from None
                commits.forget(tx, commit)
        except errors.PachydermError as error:
            raise error.wrapped("Forget Commit: ") from None
        return pfs_v2.ForgetCommitResponse()

    # ------------------------------------------------------------------ reading

    @raw_answer
    def InspectCommit(self, request: Any, call: Call) -> bytes:
        handle = required_commit(request)
        if handle.repo.name == filesets.REPO and (handle.id or handle.branch):
            return infos.file_set_info(handle)
        with self.pfs.store.database.read() as db:
            commit = commits.resolve(db, handle)
            if history.has_reached(db, commit, request.wait):
                return infos.commit_info(db, commit)
        call.on_end(self.pfs.store.changes.bump)
        with call.waiting():
            return self._wait(commit, request.wait, call)

    def _wait(self, commit: rows.Commit, state: int, call: Call) -> bytes:
        """The info of a commit once it has reached a state."""

        def check() -> bytes | None:
            with self.pfs.store.database.read() as db:
                found = history.present(db, commit)
                return infos.commit_info(db, found) if history.has_reached(db, found, state) else None

        answer = self._wait_for(check, call)
        if answer is None:
            raise errors.Cancelled("the call was cancelled")
        return answer

    def _wait_for(self, check: Callable[[], T | None], call: Call) -> T | None:
        return self.pfs.store.changes.wait_for(check, call.cancelled)

    @raw_answer
    def ListCommit(self, request: Any, call: Call) -> Iterator[bytes]:
        to, start = optional_commit(request, "to"), optional_commit(request, "from")
        repo = required_repo(request)
        wanted = history.Filter(
            None if request.all else request.origin_kind or None,
            bounded(request.started_time.ToNanoseconds()) if request.HasField("started_time") else None,
        )
        store = self.pfs.store
        with store.database.read() as db:
            where = history.listing(db, repo, start, to, request.reverse)
        left = request.number if request.number > 0 else 1 << 62
        while left > 0:
            with store.database.read() as db:
                found = where.page(db, wanted, min(left, 200))
                page = infos.commit_infos(db, found, [infos.size_bound(store, db, commit) for commit in found])
            if not page:
                return
            left -= len(page)
            yield from page

    @raw_answer
    def SubscribeCommit(self, request: Any, call: Call) -> Iterator[bytes]:
        start = optional_commit(request, "from")
        name = required_repo(request)
        if start is not None and start.repo != name:
            raise errors.PachydermError(f"the `from` commit needs to be from repo {name}")
        database = self.pfs.store.database
        with database.read() as db:
            repo = rows.repo(db, name)
        call.on_end(self.pfs.store.changes.bump)
        origin = None if request.all else request.origin_kind or None
        last = 0

        def following() -> rows.Commit | None:
            with database.read() as db:
                return history.following(db, repo, last, request.branch, origin)

        with call.waiting():
            while (commit := self._wait_for(following, call)) is not None:
                last = commit.row
                if start is None or commit.id != start.id:
                    try:
                        yield self._wait(commit, request.state, call)
                    except history.Deleted:
                        continue

    @raw_answer
    def InspectCommitSet(self, request: Any, call: Call) -> Iterator[bytes]:
        id = _set_id(request)
        with self.pfs.store.database.read() as db:
            members = commits.of_set(db, id, aliases=True)
            if not members:
                raise errors.NotFound(f"no commits found for commitset {id}")
            later = [commit for commit in members if request.wait and commit.finished is None]
            waiting = {commit.row for commit in later}
            page = infos.commit_infos(db, [commit for commit in members if commit.row not in waiting])
        yield from page
        call.on_end(self.pfs.store.changes.bump)
        with call.waiting():
            for commit in later:
                yield self._wait(commit, pfs_v2.FINISHED, call)

    @raw_answer
    def ListCommitSet(self, request: Any, call: Call) -> Iterator[bytes]:
        database = self.pfs.store.database
        project = request.project.name if request.HasField("project") else None
        before = None
        while True:
            with database.read() as db:
                page, before = history.newest_sets(db, project, before, 50)
                answers = [
                    encode.part(1, encode.text(1, id))
                    + b"".join(
                        encode.part(2, info) for info in infos.commit_infos(db, commits.of_set(db, id, aliases=True))
                    )
                    for id in page
                ]
            if not answers:
                return
            yield from answers

    def FindCommits(self, request: Any, call: Call) -> Iterator[Any]:
        required(request, "start", "validate recv")
        handle = commit_handle(request.start)
        searched = 0
        found = 0
        with self.pfs.store.database.read() as db:
            commit: rows.Commit | None = commits.resolve(db, handle)
            if commit is not None and commit.finished is None:
                raise errors.Unavailable(f"commit {handle} not finished")
        while commit is not None:
            last = commit
            with self.pfs.store.database.read() as db:
                touched = history.touches(self.pfs.store, db, commit, request.file_path)
                commit = history.parent(db, commit)
            if touched:
                found += 1
                yield pfs_v2.FindCommitsResponse(found_commit=commit_message(last), commits_searched=searched)
            searched += 1
            if call.cancelled() or (request.limit and found == request.limit):
                break
        yield pfs_v2.FindCommitsResponse(last_searched_commit=commit_message(last), commits_searched=searched)

    @raw_answer
    def WalkCommitProvenance(self, request: Any, call: Call) -> list[bytes]:
        return list(self._walk_commits(request, "provenance"))

    @raw_answer
    def WalkCommitSubvenance(self, request: Any, call: Call) -> list[bytes]:
        return list(self._walk_commits(request, "subvenance"))

    def _walk_commits(self, request: Any, direction: str) -> Iterator[bytes]:
        with self.pfs.store.database.read() as db:
            for start in [picked_commit(db, picker) for picker in request.start]:
                limit, depth = bounded(request.max_commits), bounded(request.max_depth)
                yield from infos.commit_infos(db, squash.walk(db, start.row, direction, limit, depth))


def _set_id(request: Any) -> str:
    if not request.HasField("commit_set"):
        raise errors.PachydermError("commitset cannot be nil")
    return request.commit_set.id


def _picked(request: Any) -> CommitHandle:
    """The commit of a call that fills nothing in: neither a repo from the branch, nor a project."""
    if not request.HasField("commit"):
        raise errors.PachydermError("pick commit tx: cannot pick nil commit")
    commit = request.commit
    if not commit.HasField("repo"):
        raise errors.PachydermError("pick commit tx: cannot pick commit with no repo")
    if not commit.repo.project.name and (commit.id or commit.branch.name):
        by = "" if ids.is_id(commit.id.lower()) else "picking branch: "
        raise errors.PachydermError(f"pick commit tx: picking commit: {by}picking repo: project picker cannot be nil")
    return commit_handle(commit)
