"""The output of a job: that of its base, without what is gone or changed, with what its datums wrote."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workshop.pachd.model import USER
from workshop.pachd.pfs import rows
from workshop.pachd.pps import datums as records
from workshop.pachd.pps import jobs
from workshop.pachd.pps.content import Content
from workshop.pachd.pps.records import Job
from workshop.pachd.scheduler.results import Results


def write(tx: Any, content: Content, job: Job, base: Job | None, results: Results, gone: Iterable[bytes]) -> None:
    """Fill the open output commit and the job's datum map.

    `results` are the datums that ran in this job, whatever became of them; `gone` those of the base whose files go
    without a successor (a datum that ran again loses its old files too).
    """
    maps = content.maps(tx.db)
    old = base.datums if base is not None else None
    output = rows.find_commit(tx.db, job.commit(USER))
    edits = content.edits()
    gone = list(gone)
    for identity in [*gone, *results] if old else ():
        before = records.get(maps, old, identity)
        if before is not None:
            content.take_out(tx.db, edits, identity, before)
    encoded = {}
    for identity, data in results.encoded.items():
        record = records.decode(data)
        content.put_in(tx.db, edits, identity, record)
        encoded[identity] = content.compact(tx.db, record, data)
    if output is not None:
        root = output.root
        if base is None and root:  # what earlier jobs left, of which nothing is known any more
            root = content.without_datums(tx.db, root)
        content.write(tx, output, root, edits)
    jobs.set_datums(tx, job, records.update(maps, old, encoded, gone) or None)
