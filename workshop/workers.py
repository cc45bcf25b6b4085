"""Which worker did which datums, and how long the job took: read from the log, whose lines name worker and datum.

A datum that printed nothing and did not fail has no line, and so counts for no worker.
"""

from typing import TYPE_CHECKING, Any

from workshop import words
from workshop.errors import NotTrue

if TYPE_CHECKING:
    from python_pachyderm import Client


def gather(client: "Client", pipeline: str, job: str | None = None) -> dict[str, Any]:
    """A job, by default the newest: its state, its wall time, and for each worker its datums and their run time."""
    from python_pachyderm.proto.v2.pps.pps_pb2 import JobState

    jobs = client.list_job(pipeline, history=-1)
    chosen = next((info for info in jobs if job is None or info.job.id == job), None)
    if chosen is None:
        raise NotTrue(f"the pipeline {pipeline} has no job{f' {job}' if job else ' yet'}")
    times = {info.datum.id: _seconds(info.stats.process_time) for info in client.list_datum(pipeline, chosen.job.id)}
    workers: dict[str, dict[str, dict[str, Any]]] = {}
    for line in client.get_job_logs(pipeline, chosen.job.id):
        if line.datum_id and line.worker_id:
            datum = {"id": line.datum_id, "seconds": times.get(line.datum_id), "files": [f.path for f in line.data]}
            workers.setdefault(line.worker_id, {})[line.datum_id] = datum
    wall = None
    if chosen.HasField("finished"):
        wall = (chosen.finished.ToDatetime() - chosen.started.ToDatetime()).total_seconds()
    return {
        "pipeline": pipeline,
        "version": chosen.pipeline_version,
        "job": chosen.job.id,
        "state": JobState.Name(chosen.state).removeprefix("JOB_").lower(),
        "seconds": wall,
        "processed": chosen.data_processed,
        "skipped": chosen.data_skipped,
        "workers": [{"id": name, "datums": list(datums.values())} for name, datums in sorted(workers.items())],
    }


def _seconds(duration: Any) -> float:
    return duration.seconds + duration.nanos / 1e9


def text(document: dict[str, Any]) -> str:
    """A row for each worker, and the job's own time below."""
    rows = []
    for worker in document["workers"]:
        seconds = sum(datum["seconds"] or 0.0 for datum in worker["datums"])
        rows.append((worker["id"], str(len(worker["datums"])), words.brief(seconds)))
    skipped = f", skipped {document['skipped']}" if document["skipped"] else ""
    took = "still running" if document["seconds"] is None else f"in {words.brief(document['seconds'])}"
    who = words.count(len(rows), "worker")
    summary = f"{who} processed {words.count(document['processed'], 'datum')}{skipped}, {took}"
    return f"{words.table(('WORKER', 'DATUMS', 'TIME'), rows)}\n{summary}" if rows else summary
