"""logs: what user code and workers printed, by pipeline, job or datum."""

from __future__ import annotations

import json
import sys

from workshop.pachctl import address
from workshop.pachctl.commands import Call, Flag, command, project_flag
from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import duration_text, parse_duration, quoted
from workshop.pachctl.jobs import API
from workshop.pachctl.messages import to_json
from workshop.pachctl.tables import coloured

_LEVELS = {"info": "green", "warning": "yellow", "error": "red"}


@command(
    "logs",
    "Return logs from a job.",
    0,
    "logs [--pipeline=<pipeline>|--job=<pipeline>@<job>] [--datum=<datum>]",
    (
        Flag("pipeline", "Specify results should only return logs for a given pipeline.", short="p"),
        Flag("job", "Specify results should only return logs for a given job ID.", short="j"),
        Flag("datum", "Specify results should only return logs for a given datum ID."),
        Flag("inputs", "Filter for log lines made while these files were processed (PFS paths or file hashes)"),
        Flag("master", "Only return logs from the master process; --pipeline must be set.", "bool"),
        Flag("worker", "Specify results should only return logs from the worker process.", "bool"),
        Flag("raw", "Specify results should only return log messages verbatim from server.", "bool"),
        Flag("follow", "Follow logs as more are created.", "bool", "f"),
        Flag("tail", "Set the number of lines to return of the most recent logs.", "int", "t"),
        Flag("since", 'Specify results should return log messages more recent than "since".', default="24h"),
        project_flag("Specify the project (by name) containing parent pipeline for the job."),
    ),
    plural="",
    long="This command returns logs from a job. \n"
    "\t- To filter your logs by pipeline, use the `--pipeline` flag \n"
    "\t- To filter your logs by job, use the `--job` flag \n"
    "\t- To filter your logs by datum, use the `--datum` flag \n"
    "\t- To filter your logs by the master process, use the `--master` flag  with the `--pipeline` flag \n"
    "\t- To filter your logs by the worker process, use the `--worker` flag \n"
    "\t- To follow the logs as more are created, use the `--follow` flag \n",
    example="\t- {{alias}} --pipeline foo \n\t- {{alias}} --job foo@5f93d03b65fa421996185e53f7f8b1e4 --follow \n",
)
def logs(call: Call) -> None:
    try:
        since = parse_duration(call.since)
    except ValueError as error:
        raise Failure(f"error parsing since ({quoted(duration_text(0))}): {error}") from None
    if call.tail:
        raise Failure("tail has been deprecated and removed from Pachyderm, use --since instead")
    if call.pipeline and call.job:
        raise Failure("only one of pipeline or job should be specified")
    name, identity = call.pipeline, ""
    if call.job:
        job = address.job(call.project, call.job)
        name, identity = job["pipeline"]["name"], job["id"]
    pipeline = address.pipeline(call.project, name)
    since = since if "since" in call.given else 0
    request = {
        "pipeline": pipeline if name else None,
        "job": {"pipeline": pipeline, "id": identity} if identity else None,
        "data_filters": [part for part in call.inputs.split(",") if part],
        "datum": {"job": {"pipeline": pipeline, "id": identity}, "id": call.datum} if call.datum else None,
        "master": call.master,
        "follow": call.follow,
        "since": {"seconds": since // 10**9, "nanos": since % 10**9},
    }
    try:
        for line in call.pachd.stream(f"{API}/GetLogs", "pps_v2.LogMessage", request):
            if call.raw:
                print(json.dumps(to_json(line, original_names=False), indent=2, ensure_ascii=False))
            elif _wanted(call, line.user, line.master) or not (name or identity):
                print(_coloured(line.message))
            sys.stdout.flush()
    except KeyboardInterrupt:
        if not call.follow:
            raise


def _wanted(call: Call, user: bool, master: bool) -> bool:
    if user and not call.master and not call.worker:
        return True
    return (master and call.master) or (not user and not master and call.worker)


def _coloured(message: str) -> str:
    words = message.split(" ")
    if len(words) > 1 and words[1].lower() in _LEVELS:
        words[1] = coloured(words[1], _LEVELS[words[1].lower()])
    return " ".join(words)
