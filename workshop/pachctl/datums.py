"""Datums: list, inspect, restart."""

from __future__ import annotations

import sys
from typing import Any

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import duration_text
from workshop.pachctl.jobs import API
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder
from workshop.pachctl.sources import open_source
from workshop.pachctl.tables import Table, coloured, columns, human_duration, size

_INFO = "pps_v2.DatumInfo"
_COLOURS = {"SKIPPED": "yellow", "FAILED": "red", "RECOVERED": "yellow", "SUCCESS": "green"}
_TIMES = ("download_time", "process_time", "upload_time")


@command("list datum")
def list_datum(call: Call) -> None:
    call.pachd  # noqa: B018 - connect before the header is printed
    if require_raw(call):
        Encoder(call.output).write_all(call.pachd.stream(f"{API}/ListDatum", _INFO, _asked(call)))
        return
    with Table("ID\tFILES\tSTATUS\tTIME") as table:
        for info in call.pachd.stream(f"{API}/ListDatum", _INFO, _asked(call)):
            files = ", ".join(
                f"{address.repo_text(each.file.commit.repo)}@{each.file.commit.id}:{each.file.path}"
                for each in info.data
            )
            state = (
                coloured(info.state.lower(), _COLOURS[info.state]) if info.state in _COLOURS else _unknown(info.state)
            )
            took = human_duration(_total(info.stats) / 1e9) if "stats" in info else "-"
            table.add(info.datum.id or "-", files, state, took)


def _unknown(state: str) -> str:
    return coloured("-", "green") if state == "UNKNOWN" else "-"


def _asked(call: Call) -> dict[str, Any]:
    """The request of a list: a job, or the input of a spec."""
    if call.file and call.args:
        raise Failure("can't specify both a job and a pipeline spec")
    if call.args:
        return {"job": address.job(call.project, call.args[0])}
    if not call.file:
        raise Failure("must specify either a job or a pipeline spec")
    from workshop.pachctl.golang import json_text
    from workshop.pachctl.specs import check, pipeline_specs

    spec = next(iter(pipeline_specs(open_source(call.file))), None)
    if spec is None:
        raise Failure("EOF")
    given = check(json_text(spec)).input
    _fill_project(given, call.project)
    return {"input": given}


def _fill_project(given: Message, project: str) -> None:
    if "pfs" in given and not given.pfs.project:
        given.pfs["project"] = project
    for kind in ("join", "group", "cross", "union"):
        for item in given.get(kind, []):
            _fill_project(item, project)


def _total(stats: Message) -> int:
    """Nanoseconds of downloading, processing and uploading together."""
    return sum(_nanoseconds(getattr(stats, name)) for name in _TIMES)


def _nanoseconds(length: Message) -> int:
    return length.seconds * 10**9 + length.nanos


@command("inspect datum")
def inspect_datum(call: Call) -> None:
    job = address.job(call.project, call.args[0])
    info = call.pachd.call(f"{API}/InspectDatum", _INFO, {"datum": {"job": job, "id": call.args[1]}})
    if require_raw(call):
        Encoder(call.output).write(info)
        return
    stats = info.stats
    rows = [
        ("ID", info.datum.id),
        ("Job ID", info.datum.job.id),
        ("Image ID", info.image_id),
        ("State", str(info.state)),
        ("Data Downloaded", size(stats.download_bytes)),
        ("Data Uploaded", size(stats.upload_bytes)),
        ("Total Time", duration_text(_total(stats))),
        *((name.replace("_", " ").title(), duration_text(_nanoseconds(getattr(stats, name)))) for name in _TIMES),
    ]
    for name, value in rows:
        print(f"{name}\t{value}")
    print("PFS State:")
    _files([info.pfs_state])
    print("Inputs:")
    _files([each.file for each in info.data])


def _files(files: list[Message]) -> None:
    lines = [["  REPO", "COMMIT", "PATH", ""]]
    lines += [[f"  {address.repo_text(each.commit.repo)}", each.commit.id, each.path, ""] for each in files]
    sys.stdout.write(columns(lines, minimum=10, padding=3))


@command("restart datum")
def restart_datum(call: Call) -> None:
    job = address.job(call.project, call.args[0])
    filters = [part for part in call.args[1].split(",") if part]
    call.pachd.call(f"{API}/RestartDatum", EMPTY, {"job": job, "data_filters": filters})
