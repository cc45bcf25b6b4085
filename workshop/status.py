"""Where things stand: steps, pachd, pipelines and repos, gathered from pachd and drawn as one screen."""

from typing import Any

from workshop import context, words
from workshop.dag import combination
from workshop.steps import Guide


def gather(guide: Guide, target: context.Target) -> dict[str, Any]:
    """Everything the screen shows, as plain data."""
    from python_pachyderm.proto.v2.pps.pps_pb2 import JobState, PipelineState

    client = guide.client
    pipelines = []
    for info in client.list_pipeline(details=True):
        job = next(iter(client.list_job(info.pipeline.name, number=1)), None)
        found: list[tuple[str, str]] = []
        combined = combination(info.details.input, found)
        reads = [f"{repo}:{glob}" for repo, glob in found]
        pipelines.append(
            {
                "name": info.pipeline.name,
                "version": info.version,
                "workers": info.details.parallelism_spec.constant or info.parallelism or 1,
                "state": PipelineState.Name(info.state).removeprefix("PIPELINE_").lower(),
                "last_job": job
                and {
                    "id": job.job.id,
                    "state": JobState.Name(job.state).removeprefix("JOB_").lower(),
                    "created": job.created.ToJsonString(),
                    "processed": job.data_processed,
                    "skipped": job.data_skipped,
                    "failed": job.data_failed,
                    "total": job.data_total,
                },
                "reads": reads,
                "input": combined.format(*reads),
            }
        )
    repos = []
    for info in client.list_repo():
        branch = next((b for b in client.list_branch(info.repo.name) if b.branch.name == "master"), None)
        repos.append(
            {
                "name": info.repo.name,
                "created": info.created.ToJsonString(),
                "bytes": info.size_bytes_upper_bound,
                "head": branch.head.id if branch else None,
            }
        )
    steps = [{"number": s.number, "title": s.title, "done": guide.is_done(s)} for s in guide.workshop.steps]
    return {
        "workshop": guide.workshop.name,
        "steps": steps,
        "pachd": {"address": target.address, "version": context.version(target), "source": target.source},
        "pipelines": pipelines,
        "repos": repos,
    }


def text(document: dict[str, Any]) -> str:
    """The screen."""
    steps, pachd = document["steps"], document["pachd"]
    done = sum(step["done"] for step in steps)
    following = next((step for step in steps if not step["done"]), None)
    lines = [
        f"steps   {done} of {len(steps)} done"
        + (f", next: {following['number']} {following['title']}" if following else "")
    ]
    lines += [f"pachd   {pachd['version']} on {pachd['address']} ({pachd['source']})", ""]
    rows = [
        (p["name"], f"v{p['version']}", str(p["workers"]), p["state"], _job(p["last_job"]), p["input"])
        for p in document["pipelines"]
    ]
    lines += [words.table(("PIPELINE", "VERSION", "WORKERS", "STATE", "LAST JOB", "READS"), rows), ""]
    heads = [(r["name"], words.size(r["bytes"]), r["head"] or "-") for r in document["repos"]]
    return "\n".join([*lines, words.table(("REPO", "SIZE", "HEAD OF MASTER"), heads)])


def _job(job: dict[str, Any] | None) -> str:
    """A job in a few words: `success, 2 run, 6 skipped`."""
    if job is None:
        return "-"
    parts = [job["state"], f"{job['processed']} run"]
    parts += [f"{job[kind]} {kind}" for kind in ("skipped", "failed") if job[kind]]
    return ", ".join(parts)
