"""What only the running daemon knows of workers. The room that runs them gives an object of this shape to the wire."""

from __future__ import annotations

from dataclasses import dataclass, field

from workshop.pachd.pps.records import Job, Pipeline, PipelineState


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker at work: on which job, since when on which datum (`started` in ns), with which input files."""

    worker: str
    job: str
    datum: str = ""
    started: int | None = None
    processed: int = 0
    inputs: list[tuple[str, bytes]] = field(default_factory=list)  # (path, hash)


class Live:
    """The answers of a daemon that runs nothing."""

    def workers_available(self, pipeline: Pipeline) -> int:
        """How many workers of a pipeline are up."""
        return pipeline.parallelism if pipeline.state == PipelineState.RUNNING else 0

    def worker_status(self, job: Job) -> list[WorkerStatus]:
        """The workers that are at work on a job."""
        return []

    def restart_datum(self, job: Job, filters: list[str]) -> bool:
        """Run again the datums that workers are at and that match all filters; whether there were any."""
        return False

    def recent_error(self, pipeline: Pipeline) -> str:
        """The last thing that went wrong with a pipeline's workers, or ''."""
        return ""
