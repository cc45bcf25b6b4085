"""Secrets: create, inspect, list, delete."""

from __future__ import annotations

from workshop.pachctl.commands import Call, command
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure
from workshop.pachctl.jobs import API
from workshop.pachctl.messages import Message
from workshop.pachctl.sources import read_error
from workshop.pachctl.tables import Table, ago

_HEADER = "NAME\tTYPE\tCREATED"


@command("create secret")
def create_secret(call: Call) -> None:
    try:
        with open(call.file, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Failure(read_error(call.file, error)) from None
    call.pachd.call(f"{API}/CreateSecret", EMPTY, {"file": data})


@command("delete secret")
def delete_secret(call: Call) -> None:
    call.pachd.call(f"{API}/DeleteSecret", EMPTY, {"secret": {"name": call.args[0]}})


@command("inspect secret")
def inspect_secret(call: Call) -> None:
    info = call.pachd.call(f"{API}/InspectSecret", "pps_v2.SecretInfo", {"secret": {"name": call.args[0]}})
    _show([info])


@command("list secret")
def list_secret(call: Call) -> None:
    _show(call.pachd.call(f"{API}/ListSecret", "pps_v2.SecretInfos").secret_info)


def _show(infos: list[Message]) -> None:
    with Table(_HEADER) as table:
        for info in infos:
            table.add(info.secret.name, info.type, ago(info, "creation_timestamp"))
