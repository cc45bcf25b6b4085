"""pps_v2.API, the part on datums: those of a job, and those that an input would have."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from workshop.pachd import datums, errors, glob
from workshop.pachd.datums import Datum, File, Source
from workshop.pachd.errors import InvalidArgument, NotFound, PachydermError
from workshop.pachd.model import DEFAULT_PROJECT, META, USER, CommitHandle, CommitName, JobName, RepoName
from workshop.pachd.pfs import Pfs, commits, rows
from workshop.pachd.pfs.rows import Commit
from workshop.pachd.pps import jobs, partial, pipelines
from workshop.pachd.pps.content import Content
from workshop.pachd.pps.datums import DatumState, InputFile, Record
from workshop.pachd.pps.live import Live
from workshop.pachd.pps.records import Job
from workshop.pachd.spec import inputs
from workshop.pachd.spec.fields import Document
from workshop.pachd.wire import encode
from workshop.pachd.wire.pps_messages import document, job_name
from workshop.pachd.wire.schema import google
from workshop.pachd.wire.serve import Call, raw_answer

BLOCK = 10_000  # datums that CreateDatum works out at once
BATCH = 100  # those that it sends when it is not told how many
CRON = "can't {} datums with a cron input, there will be no datums until the pipeline is created"


class Datums:
    """A part of the service: datums."""

    _pfs: Pfs
    _live: Live

    @raw_answer
    def ListDatum(self, request: Any, call: Call) -> Iterator[bytes]:
        if request.HasField("job") and request.HasField("input"):
            raise PachydermError("cannot specify both job and input")
        if request.reverse and request.number <= 0:
            raise PachydermError("number must be > 0 when reverse is set")
        states = set(request.filter.state)
        if request.HasField("input"):
            return self._planned(request, call, not states or DatumState.UNKNOWN in states)
        if not request.HasField("job"):
            raise PachydermError("must specify a job")
        return self._of_job(request, states)

    def _of_job(self, request: Any, states: set[int]) -> Iterator[bytes]:
        with self._pfs.store.database.read() as db:
            job = jobs.get(db, job_name(request.job, "ListDatumRequest.Job", how="validate recv"))
            shown = _Shown(db, job, Content(self._pfs.store))
            number = request.number if request.number > 0 else -1
            for identity, record in _page(self._pfs, db, job, request.paginationMarker, request.reverse):
                if not number:
                    return
                if not states or shown.state(record) in states:
                    number -= 1
                    yield shown.info(identity, record)

    def _planned(self, request: Any, call: Call, wanted: bool) -> Iterator[bytes]:
        with self._pfs.store.database.read() as db:
            document, heads = _located(db, request.input, "list")
            plan = _Planned(db, self._pfs, heads, call)
            node, after = _tree(document), _marker(request.paginationMarker)
            if not wanted:
                return
            for identity, datum in datums.by_id(node, plan.files, after, max(0, request.number), request.reverse):
                yield plan.info(identity, datum)

    def InspectDatum(self, request: Any, call: Call) -> Any:
        from workshop.pachd.wire.schema import pps_v2

        if not request.HasField("datum") or not request.datum.id:
            raise PachydermError("must specify a datum")
        if not request.datum.HasField("job"):
            raise PachydermError("must specify a job")
        with self._pfs.store.database.read() as db:
            job = jobs.get(db, job_name(request.datum.job, "InspectDatumRequest.Datum", "Datum.Job"))
            identity = _marker(request.datum.id)
            record = partial.get(db, self._pfs.store.maps(db), job, identity)
            if record is None:
                raise PachydermError(f"datum {request.datum.id} not found in job {job.name}")
            shown = _Shown(db, job, Content(self._pfs.store))
            return pps_v2.DatumInfo.FromString(shown.info(identity, record) + shown.place(identity))

    def RestartDatum(self, request: Any, call: Call) -> Any:
        if not request.HasField("job"):
            raise PachydermError("must specify a job")
        with self._pfs.store.database.read() as db:
            job = jobs.get(db, job_name(request.job, "RestartDatumRequest.Job"))
        filters = list(request.data_filters)
        if not self._live.restart_datum(job, filters):
            raise PachydermError(
                f"datum matching filter [{' '.join(filters)}] could not be found for job ID {job.name.id}"
            )
        return google.Empty()

    @raw_answer
    def CreateDatum(self, requests: Iterator[Any], call: Call) -> Iterator[bytes]:
        first = next(requests, None)
        if first is None:
            raise PachydermError("server receive: EOF")
        if first.WhichOneof("body") != "start":
            raise PachydermError("first message must be a StartCreateDatumRequest message")
        if not first.start.HasField("input"):
            raise InvalidArgument(
                "server receive: rpc error: code = InvalidArgument desc = validate recv: invalid "
                "CreateDatumRequest.Start: embedded message failed validation | caused by: "
                "invalid StartCreateDatumRequest.Input: value is required"
            )
        with self._pfs.store.database.read() as db:
            try:
                document, heads = _located(db, first.start.input, "create")
            except PachydermError as fault:
                raise fault.wrapped("getting streaming iterator: ") from None
            plan = _Planned(db, self._pfs, heads, call)
            try:
                yield from _in_batches(plan, _tree(document), first.start.number, requests)
            except _Unread as fault:
                raise fault.wrapped(f"streaming iterate: streamingCreate: {fault.steps}") from None


# ---------------------------------------------------------------- of a job


def _marker(text: str) -> bytes:
    """A datum id as bytes; text that is none sorts where it would among ids."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        head = "".join(itertools.takewhile(lambda c: c in "0123456789abcdef", text))
        return bytes.fromhex(head[: len(head) // 2 * 2]) + b"\xff" * 33


def _page(pfs: Pfs, db: sqlite3.Connection, job: Job, marker: str, reverse: bool) -> Iterable[tuple[bytes, Record]]:
    maps, at = pfs.store.maps(db), _marker(marker)
    if marker and reverse:
        return partial.items(db, maps, job, stop=at, reverse=True)
    return partial.items(db, maps, job, start=at + b"\0" if marker else b"", reverse=reverse)


class _Shown:
    """Records of a job as DatumInfo."""

    def __init__(self, db: sqlite3.Connection, job: Job, content: Content) -> None:
        self._db, self._job, self._content = db, job, content
        name = job.name
        pipeline = encode.text(1, name.pipeline.name) + encode.part(2, encode.text(1, name.pipeline.project))
        self._pipeline = encode.part(1, pipeline)
        self._meta = encode.part(1, encode.commit(CommitName(name.pipeline.repo(META), name.id), "master"))
        self._committed: dict[tuple[str, str, str, str], int | None] = {}
        self._images: dict[str, str] = {}

    def state(self, record: Record) -> int:
        return record.state if record.job == self._job.name.id else DatumState.SKIPPED

    def info(self, identity: bytes, record: Record) -> bytes:
        text = identity.hex()
        return b"".join(
            (
                # the job is the one that ran the datum, which may be an earlier one
                encode.part(1, encode.part(1, self._pipeline + encode.text(2, record.job)) + encode.text(2, text)),
                encode.number(2, self.state(record)),
                encode.part(3, _stats(record)),
                *(encode.part(5, self._file(each)) for each in record.inputs),
                encode.text(6, self._image(record.job)),
            )
        )

    def place(self, identity: bytes) -> bytes:
        """Where the meta repo holds what a datum read and wrote; only an inspection tells it."""
        return encode.part(4, self._meta + encode.text(2, f"/pfs/{identity.hex()}"))

    def _image(self, id: str) -> str:
        """The image that a job ran its datums in: by the name in the spec, for there is no registry to ask for more."""
        if id not in self._images:
            pipeline = self._job.name.pipeline
            job = jobs.find(self._db, JobName(pipeline, id)) or self._job
            made = pipelines.find(self._db, pipeline, job.version)
            self._images[id] = made.details["transform"].get("image", "") if made is not None else ""
        return self._images[id]

    def _file(self, each: InputFile) -> bytes:
        key = (each.project, each.repo, each.type, each.commit)
        name = CommitName(RepoName(each.project, each.repo, each.type), each.commit)
        if key not in self._committed:
            commit = rows.find_commit(self._db, name)
            self._committed[key] = commit.finishing if commit is not None else None
        return file_info(name, each.branch, each.path, each.tag, self._committed[key], each.size, each.hash)


def _stats(record: Record) -> bytes:
    stats = record.stats
    return b"".join(
        (
            encode.time(1, stats.download_time),
            encode.time(2, stats.process_time),
            encode.time(3, stats.upload_time if record.processed else None),
            encode.number(4, stats.download_bytes),
            encode.number(5, stats.upload_bytes),
        )
    )


def file_info(
    commit: CommitName, branch: str, path: str, tag: str, committed: int | None, size: int, hash: bytes
) -> bytes:
    """pfs_v2.FileInfo."""
    file = encode.part(1, encode.commit(commit, branch)) + encode.text(2, path) + encode.text(3, tag)
    kind = 2 if path.endswith("/") else 1
    return b"".join(
        (
            encode.part(1, file),
            encode.number(2, kind),
            encode.time(3, committed),
            encode.number(4, size),
            encode.part(5, hash),
        )
    )


# ---------------------------------------------------------------- of an input

Heads = dict[tuple[str, str, str], Commit]  # by project, repo and branch


class _Unread(PachydermError):
    """The files of an input cannot be found; `steps` leads a datum stream to them."""

    steps = ""


class _BadGlob(_Unread):
    steps = "streamingCreatePFS: do task: "


def _located(db: sqlite3.Connection, message: Any, verb: str) -> tuple[Document, Heads]:
    """An input that belongs to no pipeline, with what its author left out, and the heads of the branches in it.

    What stands in `commit` is not looked at.
    """
    given = document(message)
    inputs.fill_in(given, "", "1970-01-01T00:00:00Z")
    heads: Heads = {}
    for each in inputs.visit(given):
        if leaf := each.get("pfs"):
            leaf["project"] = leaf.get("project") or DEFAULT_PROJECT
            leaf["glob"] = inputs.clean_glob(leaf.get("glob", ""))
            name = leaf["project"], leaf.get("repo", ""), leaf["branch"]
            heads[name] = _head(db, CommitHandle(RepoName(*name[:2], USER), name[2]))
        elif "cron" in each:
            raise PachydermError(CRON.format(verb))
    return given, heads


def _head(db: sqlite3.Connection, handle: CommitHandle) -> Commit:
    """The head of a branch, refused in the words of a real pachd: two lines, of no kind in particular."""
    try:
        return commits.resolve(db, handle)
    except NotFound as fault:
        prefix = "pick commit tx: "
        if str(fault).startswith("project "):
            where = "picking commit: picking branch: picking repo: picking project: "
            raise PachydermError(f"{prefix}{where}{fault}") from None
        raise PachydermError(f"{prefix}commit {handle.repo}@ not found\n{fault}") from None


def _tree(document: Document) -> datums.Node:
    """The tree of an input; refused when there is nothing in it, or in an arm of it."""
    node = None if _unrecognized(document) else datums.parse(document)
    if node is None:
        raise _Unread("unrecognized input type: ")
    return node


def _unrecognized(document: Document) -> bool:
    arms = inputs.arms(document)
    return "pfs" not in document and (not arms or any(map(_unrecognized, arms)))


def _in_batches(plan: _Planned, node: datums.Node, number: int, requests: Iterator[Any]) -> Iterator[bytes]:
    """As many datums as each request asks for, until there are no more of either."""
    made = plan.in_blocks(node)
    following = next(made, None)
    while following is not None:
        left = number if number > 0 else BATCH
        while following is not None and left:
            yield plan.info(*following)
            following, left = next(made, None), left - 1
        more = next(requests, None) if following is not None else None
        if more is None:
            return
        if more.WhichOneof("body") != "continue":
            raise PachydermError("subsequent messages must be a ContinueCreateDatumRequest message")
        number = getattr(more, "continue").number


class _Planned:
    """The files of an input's leaves at the heads of their branches."""

    def __init__(self, db: sqlite3.Connection, pfs: Pfs, heads: Heads, call: Call) -> None:
        self._db, self._heads, self._call = db, heads, call
        self._content = Content(pfs.store)

    def files(self, source: Source) -> Iterator[File]:
        commit = self._heads[source.project, source.repo, source.branch]
        try:
            glob.compile(source.glob)
        except PachydermError as fault:  # as one server tells another
            raise _BadGlob(f"rpc error: code = Unknown desc = {fault}") from None
        for file in self._content.files(self._db, source, commits.content(self._db, commit)):
            if self._call.cancelled():
                raise errors.Cancelled("the call was cancelled")
            yield file

    def in_blocks(self, node: datums.Node) -> Iterator[tuple[bytes, Datum]]:
        """Datums in the order of the input, block by block, each block in the order of ids; each arm of a union for
        itself.
        """
        if isinstance(node, datums.Union):
            for arm in node.arms:
                yield from self.in_blocks(arm)
            return
        every = datums.unique(node, self.files)
        while block := list(itertools.islice(every, BLOCK)):
            yield from sorted(block, key=lambda pair: pair[0])

    def info(self, identity: bytes, datum: Datum) -> bytes:
        if self._call.cancelled():
            raise errors.Cancelled("the call was cancelled")
        return encode.part(1, encode.text(2, identity.hex())) + b"".join(
            encode.part(5, self._file(file)) for file in datum
        )

    def _file(self, file: File) -> bytes:
        source = file.source
        commit = self._heads[source.project, source.repo, source.branch]
        tag = self._content.tag_of(file)
        return file_info(commit.name, commit.branch, file.path, tag, commit.finishing, file.size, file.hash)


__all__ = ["Datums", "JobName"]
