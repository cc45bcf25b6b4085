"""The meta repo's files, made from a job's records when somebody first reads them: most are never looked at.

/meta/<datum id>/meta          JSON: job, inputs, hash, stats, state
/pfs/<datum id>/<input>/...    what the datum read
/pfs/<datum id>/out/...        what it wrote
/pfs/<datum id>/.env           its variables
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

from workshop.pachd.model import META, CommitName, JobName, PipelineName, RepoName
from workshop.pachd.pfs import Pfs, rows
from workshop.pachd.pfs.rows import Commit
from workshop.pachd.pps import datums, jobs
from workshop.pachd.pps.content import Content, Edits
from workshop.pachd.pps.datums import InputFile, Record
from workshop.pachd.store import blobs as stored

Add = Callable[[bytes], bytes]


EMPTY, LAZY = 1, 2  # flags of an input


def content(pfs: Pfs, commit: Commit) -> bytes | None:
    """What readers of a meta commit see; made now when it is finished and nobody has looked before."""
    if commit.root is not None or commit.finished is None:
        return commit.root
    return prepare(pfs, commit)


def prepare(pfs: Pfs, commit: Commit) -> bytes:
    """Give a finished meta commit its content."""
    repo = commit.name.repo
    assert repo.type == META
    pipeline = PipelineName(repo.project, repo.name)
    store = pfs.store
    with store.blobs.writer() as writer, pfs.transaction() as tx:
        job = jobs.find(tx.db, JobName(pipeline, commit.id))
        root = b""
        if job is not None and job.datums:
            trees = Content(store)
            edits: Edits = {}
            for identity, record in datums.items(trees.maps(tx.db), job.datums):
                _add_datum(trees, tx.db, edits, writer.add, pipeline, identity.hex(), record)
            root = store.trees(tx.db).edit_files(None, edits)
            writer.flush()
            store.blobs.record(tx.db, writer.rows())
        tx.db.execute("UPDATE commits SET root = ? WHERE id = ?", (root, commit.row))
    return root


def _add_datum(
    content: Content,
    db: sqlite3.Connection,
    edits: Edits,
    add: Add,
    pipeline: PipelineName,
    tag: str,
    record: Record,
) -> None:
    trees = content.store.trees(db)

    def put(path: str, data: bytes) -> None:
        size = len(data)
        pieces = [data[at : at + stored.CHUNK] for at in range(0, size, stored.CHUNK)]
        edits[path, tag] = trees.value(stored.Content(size, tuple(map(add, pieces))))

    document = datums.meta_document(record, pipeline, lambda each: _committed(db, each))
    put(f"/meta/{tag}/meta", json.dumps(document, separators=(",", ":")).encode())
    put(f"/pfs/{tag}/.env", _env(tag, record).encode())
    for each in record.inputs:
        for path, size, chunks in _input_files(content, db, each):
            if each.flags & LAZY:
                continue  # a pipe has no content to keep
            size, chunks = (0, ()) if each.flags & EMPTY else (size, chunks)
            edits[f"/pfs/{tag}/{each.name}{path}", tag] = trees.value(stored.Content(size, chunks))
    for path, size, chunks in content.outputs(db, record):
        edits[f"/pfs/{tag}/out{path}", tag] = trees.value(stored.Content(size, chunks))


def _input_files(content: Content, db: sqlite3.Connection, each: InputFile) -> list[datums.Output]:
    """The files of an input as they were; none when their commit has been squashed since."""
    commit = _commit_of(db, each)
    if commit is None or not commit.root:
        return []
    found = content.store.trees(db).lookup(commit.root, each.path)
    wanted = [entry for entry in found if entry.is_directory == each.path.endswith("/")]
    return [file for entry in wanted for file in content.files_of(db, entry)]


def _commit_of(db: sqlite3.Connection, each: InputFile) -> Commit | None:
    return rows.find_commit(db, CommitName(RepoName(each.project, each.repo, each.type), each.commit))


def _committed(db: sqlite3.Connection, each: InputFile) -> int | None:
    commit = _commit_of(db, each)
    return commit.finishing if commit is not None else None


def _env(tag: str, record: Record) -> str:
    lines = []
    for each in record.inputs:
        lines.append(f"{each.name}=/pfs/{each.name}{each.path}".rstrip("/"))
        lines.append(f"{each.name}_COMMIT={each.commit}")
        lines += [f"PACH_DATUM_{each.name}_JOIN_ON={each.join_key}"] if each.join_key else []
        lines += [f"PACH_DATUM_{each.name}_GROUP_BY={each.group_key}"] if each.group_key else []
    lines += [f"PACH_DATUM_ID={tag}", f"PACH_JOB_ID={record.job}", f"PACH_OUTPUT_COMMIT_ID={record.job}"]
    return "".join(f"{line}\n" for line in lines)
