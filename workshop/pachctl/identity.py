"""idp: providers of identities and their clients. pachd is asked each time; one without users says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workshop.pachctl.access import settings
from workshop.pachctl.commands import Call, command
from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import quoted
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder
from workshop.pachctl.protojson import parse
from workshop.pachctl.specs import read_json


def _ask(call: Call, name: str, request: Mapping[str, Any]) -> Message:
    return call.pachd.call(f"identity_v2.API/{name}", f"identity_v2.{name}Response", request)


def _show(value: Any) -> None:
    Encoder("yaml").write(value)
    print()


def _read(call: Call) -> Any:
    call.pachd  # noqa: B018 - connected before anything is read
    try:
        return json.loads(read_json(settings(call.flags["config"])))
    except Failure as error:
        raise Failure(f"unable to parse config: {error}") from None


def _message(call: Call, kind: str) -> Message:
    try:
        return parse(kind, json.dumps(_read(call)))
    except ValueError as error:
        raise Failure(f"unable to parse config: {error}") from None


def _connector(call: Call) -> dict[str, Any]:
    given = {key.lower(): value for key, value in _read(call).items()}
    made = {key: str(given.get(key, "")) for key in ("id", "name", "type")}
    return made | {"configVersion": int(given.get("version", 0)), "jsonConfig": json.dumps(given.get("config", {}))}


@command("idp get-config")
def get_config(call: Call) -> None:
    _show(_ask(call, "GetIdentityServerConfig", {}).config)


@command("idp set-config")
def set_config(call: Call) -> None:
    _ask(call, "SetIdentityServerConfig", {"config": _message(call, "identity_v2.IdentityServerConfig")})


@command("idp create-connector")
def create_connector(call: Call) -> None:
    _ask(call, "CreateIDPConnector", {"connector": _connector(call)})


@command("idp update-connector")
def update_connector(call: Call) -> None:
    _ask(call, "UpdateIDPConnector", {"connector": _connector(call)})


@command("idp get-connector")
def get_connector(call: Call) -> None:
    of = _ask(call, "GetIDPConnector", {"id": call.args[0]}).connector
    config = json.loads(of.jsonConfig or "{}")
    _show({"id": of.id, "name": of.name, "type": of.type, "version": of.configVersion, "config": config})


@command("idp delete-connector")
def delete_connector(call: Call) -> None:
    _ask(call, "DeleteIDPConnector", {"id": call.args[0]})


@command("idp list-connector")
def list_connector(call: Call) -> None:
    for each in _ask(call, "ListIDPConnectors", {}).connectors:
        print(f"{each.id} - {each.name} ({each.type})")


@command("idp create-client")
def create_client(call: Call) -> None:
    made = _ask(call, "CreateOIDCClient", {"client": _message(call, "identity_v2.OIDCClient")})
    print(f"Client secret: {quoted(made.client.secret)}")


@command("idp update-client")
def update_client(call: Call) -> None:
    _ask(call, "UpdateOIDCClient", {"client": _message(call, "identity_v2.OIDCClient")})


@command("idp get-client")
def get_client(call: Call) -> None:
    _show(_ask(call, "GetOIDCClient", {"id": call.args[0]}).client)


@command("idp delete-client")
def delete_client(call: Call) -> None:
    _ask(call, "DeleteOIDCClient", {"id": call.args[0]})


@command("idp list-client")
def list_client(call: Call) -> None:
    for each in _ask(call, "ListOIDCClients", {}).clients:
        print(each.id)
