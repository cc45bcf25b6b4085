"""pps_v2.API, the part on datums: those of a job, and those that an input would have."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator
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
from workshop.pachd.wire import encode
from workshop.pachd.wire.pps_messages import document, job_name
from workshop.pachd.wire.schema import google
from workshop.pachd.wire.serve import Call, raw_answer

BLOCK = 10_000  # datums that CreateDatum works out at once
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
            found = self._planned(request, call)
            return found if not states or DatumState.UNKNOWN in states else iter(())
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

    def _planned(self, request: Any, call: Call) -> Iterator[bytes]:
        node, find = _input(request.input, "list")
        with self._pfs.store.database.read() as db:
            plan = _Planned(db, self._pfs, find, call)
            after = _marker(request.paginationMarker)
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
            return
        if first.WhichOneof("body") != "start":
            raise PachydermError("first message must be a StartCreateDatumRequest message")
        if not first.start.HasField("input"):
            raise InvalidArgument(
                "server receive: rpc error: code = InvalidArgument desc = validate recv: invalid "
                "CreateDatumRequest.Start: embedded message failed validation | caused by: "
                "invalid StartCreateDatumRequest.Input: value is required"
            )
        try:
            node, find = _input(first.start.input, "create")
        except PachydermError as fault:
            raise fault.wrapped("getting streaming iterator: ") from None
        with self._pfs.store.database.read() as db:
            plan = _Planned(db, self._pfs, find, call)
            made = plan.in_blocks(node)
            number = first.start.number
            while True:
                for identity, datum in itertools.islice(made, max(0, number)):
                    yield plan.info(identity, datum)
                more = next(requests, None)
                if more is None:
                    return
                if more.WhichOneof("body") != "continue":
                    raise PachydermError("subsequent messages must be a ContinueCreateDatumRequest message")
                number = getattr(more, "continue").number


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


def _input(message: Any, verb: str) -> tuple[datums.Node, Callable[[Source], CommitHandle]]:
    """The tree of an input that belongs to no pipeline, and where each leaf's commit is to be looked for."""
    given = document(message)
    leaves = list(inputs.leaves(given))
    if any(kind == "cron" for kind, _ in leaves):
        raise PachydermError(CRON.format(verb))
    inputs.fill_in(given, "", "1970-01-01T00:00:00Z")
    for _, leaf in leaves:
        leaf["project"] = leaf.get("project") or DEFAULT_PROJECT
        leaf["glob"] = inputs.clean_glob(leaf.get("glob", ""))
    node = datums.parse(given)
    if node is None:
        raise PachydermError("unrecognized input type: ")
    ids = [leaf.get("commit", "") for _, leaf in inputs.leaves(given)]

    def find(source: Source) -> CommitHandle:
        return CommitHandle(RepoName(source.project, source.repo, USER), source.branch, ids[source.position])

    return node, find


class _Planned:
    """The files of an input's leaves at the commits that it names now."""

    def __init__(self, db: sqlite3.Connection, pfs: Pfs, find: Callable[[Source], CommitHandle], call: Call) -> None:
        self._db, self._find, self._call = db, find, call
        self._content = Content(pfs.store)
        self._commits: dict[int, Commit] = {}

    def files(self, source: Source) -> Iterator[File]:
        commit = self._commits[source.position] = self._resolve(self._find(source))
        try:
            glob.compile(source.glob)
        except PachydermError as fault:  # as one server tells another
            raise fault.wrapped("rpc error: code = Unknown desc = ") from None
        for file in self._content.files(self._db, source, commits.content(self._db, commit)):
            if self._call.cancelled():
                raise errors.Cancelled("the call was cancelled")
            yield file

    def _resolve(self, handle: CommitHandle) -> Commit:
        """The commit of a leaf, refused in the words of a real pachd: two lines, of no kind in particular."""
        try:
            return commits.resolve(self._db, handle)
        except NotFound as fault:
            prefix = "pick commit tx: "
            if str(fault).startswith("project "):
                step = "" if handle.id else "picking branch: "
                raise PachydermError(f"{prefix}picking commit: {step}picking repo: picking project: {fault}") from None
            first = f"{prefix}commit {handle.repo}@{handle.id} not found"
            raise PachydermError(f"{first}\n{fault}") from None

    def in_blocks(self, node: datums.Node) -> Iterator[tuple[bytes, Datum]]:
        """Datums in the order of the input, block by block, each block in the order of ids."""
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
        commit = self._commits[file.source.position]
        tag = self._content.tag_of(file)
        return file_info(commit.name, commit.branch, file.path, tag, commit.finishing, file.size, file.hash)


__all__ = ["Datums", "JobName"]
