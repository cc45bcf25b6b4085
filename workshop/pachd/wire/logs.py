"""GetLogs: messages of user code and workers; with `follow`, as they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workshop.pachd import ids
from workshop.pachd.errors import PachydermError
from workshop.pachd.model import JobName, PipelineName
from workshop.pachd.pfs import Pfs
from workshop.pachd.pps import jobs, logs, pipelines
from workshop.pachd.wire.pps_messages import job_name, pipeline_name
from workshop.pachd.wire.schema import pps_v2

HOUR = 3600 * 10**9
NO_LOG_STORE = "loki not configured, is it running in the same namespace as pachd?"


class Logs:
    """A part of pps_v2.API: logs."""

    _pfs: Pfs

    def GetLogs(self, request: Any, call: Any) -> Iterator[Any]:
        pipeline, job, since = self._asked(request)
        after = 0
        tail = request.tail
        call.on_end(self._pfs.store.changes.bump)
        while True:
            with self._pfs.store.database.read() as db:
                found = list(
                    logs.read(
                        db,
                        pipeline,
                        job,
                        request.datum.id,
                        request.master,
                        since,
                        request.data_filters,
                        after,
                        tail,
                    )
                )
            for line in found:
                yield message_of(line)
            if found:
                after, tail = found[-1].id, 0
                if len(found) >= 5000:
                    continue
            if not request.follow or call.cancelled():
                return
            self._wait_for_line(pipeline, after, call)

    def GetKubeEvents(self, request: Any, call: Any) -> Iterator[Any]:
        raise PachydermError(NO_LOG_STORE)

    def QueryLoki(self, request: Any, call: Any) -> Iterator[Any]:
        raise PachydermError(NO_LOG_STORE)

    def _asked(self, request: Any) -> tuple[PipelineName, str, int]:
        """(pipeline, job id, earliest time) of a request; refused as a real pachd does."""
        asked_job = request.HasField("job")
        if request.HasField("pipeline"):
            pipeline_name(request.pipeline, "GetLogsRequest.Pipeline", "validate recv")
        job_name(request.job, "GetLogsRequest.Job", how="validate recv")
        job_name(request.datum.job, "GetLogsRequest.Datum", "Datum.Job", how="validate recv")
        named = request.pipeline if request.HasField("pipeline") else request.job.pipeline if asked_job else None
        if not request.HasField("pipeline") and not asked_job:
            if request.HasField("datum") or request.data_filters:
                raise PachydermError("must specify the Job or Pipeline that the datum is from to get logs for it")
            return PipelineName("", ""), "", 0
        since = ids.now() - logs.DAY
        if request.HasField("since") and (request.since.seconds or request.since.nanos):
            since = ids.now() - (request.since.seconds * 10**9 + request.since.nanos)
        if asked_job and not request.job.pipeline.name and not request.HasField("pipeline"):
            raise PachydermError("pipeline must be specified for the given job")
        if asked_job and request.HasField("pipeline") and request.job.pipeline.name:
            same = (request.job.pipeline.name, request.job.pipeline.project.name or "default")
            if same != (request.pipeline.name, request.pipeline.project.name or "default"):
                raise PachydermError("job is from the wrong pipeline")
        assert named is not None
        pipeline = PipelineName(named.project.name or "default", named.name)
        with self._pfs.store.database.read() as db:
            if not asked_job:
                try:
                    pipelines.inspect(db, pipeline)
                except PachydermError as fault:
                    raise fault.wrapped(f"could not get pipeline information for {pipeline}: ") from None
                return pipeline, "", since
            try:
                found = jobs.get(db, JobName(pipeline, request.job.id))
            except PachydermError as fault:
                raise fault.wrapped(f'could not get job information for "{request.job.id}": ') from None
        if not (request.HasField("since") and (request.since.seconds or request.since.nanos)):
            since = found.created - HOUR
        return pipeline, request.job.id, since

    def _wait_for_line(self, pipeline: PipelineName, after: int, call: Any) -> None:
        """Until there is another line of the pipeline, or nobody listens any more."""

        def more() -> bool | None:
            with self._pfs.store.database.read() as db:
                return logs.has_more(db, pipeline, after) or None

        call.wait_for(self._pfs.store.changes, more)


def message_of(line: logs.Line) -> Any:
    message = pps_v2.LogMessage(
        project_name=line.pipeline.project,
        pipeline_name=line.pipeline.name,
        job_id=line.job,
        worker_id=line.worker,
        datum_id=line.datum,
        master=line.master,
        user=line.user,
        message=line.message,
    )
    message.ts.FromNanoseconds(line.time)
    for path, hash in line.files():
        message.data.add(path=path, hash=bytes.fromhex(hash))
    return message
