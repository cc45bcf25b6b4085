"""The cluster as a whole: version, inspect cluster, fsck, delete all; and what a worker's own code asks of it."""

from __future__ import annotations

import json
import os
import platform
import sys
from contextlib import suppress

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure, Refused, in_full
from workshop.pachctl.golang import duration_text, parse_duration, quoted
from workshop.pachctl.messages import Message, to_json
from workshop.pachctl.output import Encoder, confirmed
from workshop.pachctl.tables import Table, coloured

_VERSION = "versionpb_v2.Version"
# The pachctl whose commands, tables and texts these are.
CLIENT_VERSION = Message(_VERSION, {"major": 2, "minor": 12})
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def version_text(version: Message) -> str:
    return f"{version.major}.{version.minor}.{version.micro}{version.additional}"


@command("version")
def version(call: Call) -> int | None:
    raw = require_raw(call)
    if call.print_architecture:
        print(_ARCHITECTURES.get(platform.machine(), platform.machine()))
        print(sys.platform)
    if call.client_only:
        if raw:
            Encoder(call.output).write(CLIENT_VERSION)
        else:
            print(version_text(CLIENT_VERSION))
        return None
    with Table("COMPONENT\tVERSION", minimum=20, padding=3) as table:
        if raw:
            table.lines = []
            Encoder(call.output).write(CLIENT_VERSION)
        else:
            table.add("pachctl", version_text(CLIENT_VERSION))
    limit = 1.0
    if call.flags["timeout"] != "default":
        try:
            limit = parse_duration(call.flags["timeout"]) / 1e9 or limit
        except ValueError as error:
            raise Failure(f"could not parse timeout duration {quoted(duration_text(0))}: {error}") from None
    try:
        server = call.pachd.call("versionpb_v2.API/GetVersion", _VERSION, timeout=limit)
    except Refused as error:
        where = call.pachd.address.qualified
        text = f"(version unknown) : error connecting to pachd server at address ({where}): {error.text}"
        raise Failure(
            f"{'pachd':<20}{text}\n\nplease make sure pachd is up (`workshop up` starts the one on this machine)"
        ) from None
    if raw:
        Encoder(call.output).write(server)
    else:
        print(f"{'pachd':<20}{version_text(server)}")
    return int(call.compare and server != CLIENT_VERSION)


@command("buildinfo")
def buildinfo(call: Call) -> None:
    from importlib.metadata import PackageNotFoundError, version

    print(f"python\t{platform.python_version()}")
    for package in ("pachyderm-workshop", "python-pachyderm", "grpcio", "protobuf"):
        try:
            print(f"dep\t{package}\t{version(package)}")
        except PackageNotFoundError:
            continue


@command("exit")
def leave(call: Call) -> None:
    """Nothing: there is no shell to leave."""


@command("inspect cluster")
def inspect_cluster(call: Call) -> None:
    request = {"client_version": CLIENT_VERSION, "current_project": {"name": call.config.project}}
    info = call.pachd.call("admin_v2.API/InspectCluster", "admin_v2.ClusterInfo", request)
    if call.raw:
        Encoder(call.output).write(info)
    else:
        print(info.id)


@command("restart cluster")
def restart_cluster(call: Call) -> None:
    with in_full("call RestartPachyderm: "):
        call.pachd.call("admin_v2.API/RestartPachyderm", EMPTY, {"reason": call.reason})
    print("restart requested ok", file=sys.stderr)


@command("list task")
def list_task(call: Call) -> None:
    if call.group and not call.namespace:
        raise Failure("must set a task namespace to list a group")
    service = call.args[0]
    if service not in ("pps", "pfs"):
        raise Failure(f"{service} is not a valid task service")
    encoder = Encoder(call.output)
    request = {"group": {"namespace": call.namespace, "group": call.group}}
    method = f"{service}_v2.API/ListTask"
    for info in call.pachd.stream(method, "taskapi.TaskInfo", request, of="taskapi.ListTaskRequest"):
        shown = to_json(info)
        with suppress(ValueError):
            shown["input_data"] = json.loads(shown.get("input_data", ""))
        encoder.write(shown)


@command("fsck")
def fsck(call: Call) -> None:
    request: dict = {"fix": call.fix}
    if call.zombie_all and call.zombie:
        raise Failure("either check all pipelines for zombie files or provide a single commit")
    if call.zombie_all:
        request["zombie_all"] = True
    elif call.zombie:
        commit = address.commit(call.project, call.zombie)
        if not commit["id"] and not commit["branch"]["name"]:
            name = f"{commit['repo']['project']['name']}/{commit['repo']['name']}"
            raise Failure(f"provide a specific commit or branch for zombie detection on {name}")
        request["zombie_target"] = commit
    found = False
    for answer in call.pachd.stream("pfs_v2.API/Fsck", "pfs_v2.FsckResponse", request):
        found |= bool(answer.error)
        print(f"Error: {answer.error}" if answer.error else f"Fix applied: {answer.fix}")
    if not found:
        print("No errors found.")


@command("delete all")
def delete_all(call: Call) -> None:
    pachd = call.pachd
    repos = [info.repo.name for info in pachd.stream("pfs_v2.API/ListRepo", "pfs_v2.RepoInfo", {"type": "user"})]
    infos = pachd.stream("pps_v2.API/ListPipeline", "pps_v2.PipelineInfo", {})
    pipelines = [address.pipeline_text(info.pipeline) for info in infos]
    print("All ACLs, repos, commits, files, pipelines and jobs will be deleted.")
    for title, names in (("Repos", repos), ("Pipelines", pipelines)):
        if names:
            print(f"{title} to delete: {', '.join(coloured(name, 'red') for name in names)}")
    if not confirmed():
        return
    for service in ("pps_v2.API", "pfs_v2.API", "transaction_v2.API"):
        pachd.call(f"{service}/DeleteAll", EMPTY)
    call.config.set_transaction("")


@command("next datum")
def next_datum(call: Call) -> None:
    import grpc

    from workshop.pachctl.messages import encode

    port = os.environ.get("PPS_WORKER_GRPC_PORT", "1080")
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    request = encode(
        "google.protobuf.StringValue", {"value": call.error}
    )  # the error is the request's first field, too
    try:
        channel.unary_unary("/pachyderm.worker.Worker/NextDatum")(request)
    except grpc.RpcError as error:
        raise Failure(f"NextDatum: {error.details()}") from None  # type: ignore[attr-defined]
    finally:
        channel.close()
