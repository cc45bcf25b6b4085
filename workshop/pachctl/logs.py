"""logs: what user code and workers printed, by pipeline, job or datum."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command
from workshop.pachctl.errors import Failure, in_full
from workshop.pachctl.golang import duration_text, parse_duration, quoted
from workshop.pachctl.jobs import API
from workshop.pachctl.messages import Message, to_json
from workshop.pachctl.tables import Table, ago, coloured

_LEVELS = {"info": "green", "warning": "yellow", "error": "red"}


@command("logs")
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


@command("loki")
def loki(call: Call) -> None:
    for line in _stored(call, "QueryLoki", {"query": call.args[0]}):
        print(line.message)


@command("kube-events")
def kube_events(call: Call) -> None:
    lines = _stored(call, "GetKubeEvents", {})
    if call.raw:
        for line in lines:
            print(line.message)
        return
    rows = [json.loads(line.message[line.message.index("{") :]) for line in lines]
    with Table("LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE") as table:
        for row in rows:
            event = row["kubeEvent"]
            seen = ago({"seen": {"seconds": event["lastTimestamp"]}}, "seen")
            table.add(seen, event["type"], event["reason"], event["involvedObject"]["name"], row["msg"])


def _stored(call: Call, name: str, request: dict) -> Iterator[Message]:
    """Lines of the cluster's log store; of the last day unless --since says how far back."""
    try:
        since = parse_duration(call.since if "since" in call.given else "24h")
    except ValueError as error:
        raise Failure(f"parse since({quoted(duration_text(0))}): {error}") from None
    request["since"] = {"seconds": since // 10**9, "nanos": since % 10**9}
    with in_full():
        yield from call.pachd.stream(f"{API}/{name}", "pps_v2.LokiLogMessage", request, of="pps_v2.LokiRequest")
