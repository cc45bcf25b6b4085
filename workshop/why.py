"""Why a job did what it did: which datums ran, which were skipped, which failed and with what last words.

Everything comes from pachd: JobInfo, ListDatum of the job and of the good one before it, and the log.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workshop import words
from workshop.errors import NotTrue

if TYPE_CHECKING:
    from python_pachyderm import Client

NOTE = "note: "
SHOWN = 10  # datums listed one by one for each reason
LAST = 8  # lines of a failed datum's log
CODE = ("image", "cmd", "stdin", "env", "user", "working_dir", "datum_batching")


@dataclass
class Datum:
    """One datum of the job: its files as repo:path, what became of it, and why."""

    id: str
    files: list[str]
    verdict: str
    reason: str
    last_lines: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What there is to say about a job. `base` is the id of the job that it was compared with, "" for none."""

    pipeline: str
    job: str
    version: int
    state: str
    reason: str
    base: str
    datums: list[Datum]
    notes: list[str]


def gather(client: "Client", name: str) -> Report:
    """The report on PIPELINE@JOB, or on the newest job of PIPELINE. NotTrue when there is no such job."""
    from python_pachyderm.proto.v2.pps.pps_pb2 import JobState

    pipeline, _, wanted = name.partition("@")
    listed = list(client.list_job(pipeline, history=-1))  # the newest first
    place = next((n for n, info in enumerate(listed) if not wanted or info.job.id == wanted), None)
    if place is None:
        raise NotTrue(f"{pipeline} has no job {wanted}" if wanted else f"{pipeline} has no job yet")
    job = _whole(client, listed[place])
    older = [info for info in listed[place + 1 :] if info.state == JobState.JOB_SUCCESS]
    base = _whole(client, older[0]) if older else None
    before = {info.datum.id: info for info in client.list_datum(pipeline, base.job.id)} if base is not None else {}
    datums = list(_datums(client, job, base, before))
    same = {info.job.id for info in listed if info.pipeline_version == job.pipeline_version}
    notes = [*_spec_notes(client, pipeline, same), *_code_notes(job, base, datums), *_gone(job, base, before, datums)]
    state = JobState.Name(job.state).removeprefix("JOB_").lower()
    return Report(
        pipeline, job.job.id, job.pipeline_version, state, job.reason, base.job.id if base else "", datums, notes
    )


def _whole(client: "Client", info: Any) -> Any:
    (whole,) = client.inspect_job(info.job.id, info.job.pipeline.name, details=True)
    return whole


def _datums(client: "Client", job: Any, base: Any, before: dict[str, Any]) -> Iterator[Datum]:
    from python_pachyderm.proto.v2.pps import pps_pb2 as pps

    for info in client.list_datum(job.job.pipeline.name, job.job.id):
        files = [f"{each.file.commit.repo.name}:{each.file.path}" for each in info.data]
        known = before.get(info.datum.id)
        if info.state == pps.SKIPPED:
            yield Datum(info.datum.id, files, "skipped", "it succeeded before, and none of its files changed since")
        elif info.state == pps.FAILED:
            lines = list(client.get_job_logs(job.job.pipeline.name, job.job.id, datum=info.datum))
            causes = [line.message for line in lines if not line.user and line.message.startswith("errored")]
            cause = causes[-1].partition(": ")[2] if causes else "its log says more"
            yield Datum(info.datum.id, files, "failed", cause, [line.message for line in lines if line.user][-LAST:])
        elif info.state == pps.RECOVERED:
            reason = (
                "the command failed and its err_cmd did not: no output is asked of it, and the next job tries again"
            )
            yield Datum(info.datum.id, files, "recovered", reason)
        else:
            yield Datum(info.datum.id, files, "ran", _why_it_ran(info, known, job, base))


def _why_it_ran(info: Any, known: Any, job: Any, base: Any) -> str:
    from python_pachyderm.proto.v2.pps import pps_pb2 as pps

    if base is None:
        return "no job before this one succeeded"
    if known is None:
        return "it is new"
    if known.state in (pps.FAILED, pps.RECOVERED):
        return "it did not succeed the last time"
    now = {(each.file.commit.repo.name, each.file.path): each.hash for each in info.data}
    then = {(each.file.commit.repo.name, each.file.path): each.hash for each in known.data}
    changed = [f"{repo}:{path}" for (repo, path), value in now.items() if then.get((repo, path)) != value]
    if changed:
        return f"{', '.join(changed)} changed"
    if job.details.salt != base.details.salt:
        return "the pipeline was updated with --reprocess"
    return "the pipeline's reprocess_spec is every_job, or nobody knows how it ended the last time"


def _spec_notes(client: "Client", pipeline: str, jobs: set[str]) -> Iterator[str]:
    """What pachd remarked about the specification when it made one of the jobs, such as an empty join key."""
    for line in client.get_pipeline_logs(pipeline, master=True):
        if line.message.startswith(NOTE) and line.job_id in jobs and "--reprocess" not in line.message:
            yield line.message.removeprefix(NOTE)


def _code_notes(job: Any, base: Any, datums: list[Datum]) -> Iterator[str]:
    skipped = sum(datum.verdict == "skipped" for datum in datums)
    if base is None or not skipped:
        return
    now, then = job.details.transform, base.details.transform
    changed = [f"transform.{name}" for name in CODE if getattr(now, name, None) != getattr(then, name, None)]
    if changed:
        yield (
            f"{', '.join(changed)} changed since version {base.pipeline_version}, but unchanged datums are skipped all "
            f"the same ({words.count(skipped, 'datum')} here): use --reprocess with the update to run them again"
        )


def _gone(job: Any, base: Any, before: dict[str, Any], datums: list[Datum]) -> Iterator[str]:
    number = len(before.keys() - {datum.id for datum in datums})
    if datums and number:
        yield f"{words.count(number, 'datum')} of the job before {'is' if number == 1 else 'are'} gone, output and all"


def text(report: Report) -> str:
    """A line for the job, then each reason with its datums, then what is worth knowing besides."""
    verdicts = Counter(datum.verdict for datum in report.datums)
    tally = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items()) or "no datums"
    lines = [f"{report.pipeline}@{report.job}  version {report.version}  {report.state}  {tally}"]
    if report.reason:
        lines.append(f"  {report.reason.strip()}")
    if report.base:
        lines.append(f"  compared with the job {report.base}, the last one before it that succeeded")
    groups: dict[tuple[str, str], list[Datum]] = {}
    for datum in report.datums:
        groups.setdefault((datum.verdict, datum.reason), []).append(datum)
    for (verdict, reason), found in groups.items():
        lines += [f"{verdict}: {reason}", *_listed(found)]
    return "\n".join([*lines, *(NOTE + note for note in dict.fromkeys(report.notes))])


def _listed(datums: list[Datum]) -> Iterable[str]:
    for datum in datums[:SHOWN]:
        yield f"  {datum.id[:12]}  {', '.join(datum.files)}"
        yield from (f"    | {line}" for line in datum.last_lines)
    if len(datums) > SHOWN:
        yield f"  and {len(datums) - SHOWN} more"


def document(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {**vars(report), "datums": [vars(datum) for datum in report.datums]}
