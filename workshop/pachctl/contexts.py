"""connect and config: contexts in pachctl's configuration file. None of these commands calls pachd."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from workshop.pachctl.commands import Call, command
from workshop.pachctl.config import CONTEXT, parse_address
from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import quoted
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder
from workshop.pachctl.protojson import parse
from workshop.pachctl.sources import remind_of_stdin


@command("connect")
def connect(call: Call) -> None:
    config = call.config
    name = call.alias or call.args[0]
    if name not in config.contexts:
        address = parse_address(call.args[0]).qualified
        config.contexts[name] = Message(CONTEXT, {"pachd_address": address})
        print(f"New context '{name}' created, will connect to Pachyderm at {address}")
    config.v2["active_context"] = name
    config.write()
    print(f"Context '{name}' set as active")


def _existing(call: Call, name: str) -> Message:
    if name not in call.config.contexts:
        raise Failure(f"context does not exist: {name}")
    return call.config.contexts[name]


@command("config get metrics")
def get_metrics(call: Call) -> None:
    print(str(call.config.v2.metrics).lower())


@command("config set metrics")
def set_metrics(call: Call) -> None:
    if call.args[0] not in ("true", "false"):
        raise Failure("invalid argument; use either `true` or `false`")
    call.config.v2["metrics"] = call.args[0] == "true"
    call.config.write()


@command("config get active-context")
def get_active_context(call: Call) -> None:
    print(call.config.active(needed=False)[0] or "NONE")


@command("config set active-context")
def set_active_context(call: Call) -> None:
    _existing(call, call.args[0])
    call.config.v2["active_context"] = call.args[0]
    call.config.write()


@command("config get active-enterprise-context")
def get_active_enterprise_context(call: Call) -> None:
    print(call.config.active(needed=False, enterprise=True)[0] or "NONE")


@command("config set active-enterprise-context")
def set_active_enterprise_context(call: Call) -> None:
    _existing(call, call.args[0])
    call.config.v2["active_enterprise_context"] = call.args[0]
    call.config.write()


@command("config get context")
def get_context(call: Call) -> None:
    Encoder("json").write(_existing(call, call.args[0]))


@command("config set context")
def set_context(call: Call) -> None:
    name = call.args[0]
    if name in call.config.contexts and not call.overwrite:
        raise Failure(f"context '{name}' already exists, use `--overwrite` if you wish to replace it")
    remind_of_stdin()
    try:
        context = parse(CONTEXT, sys.stdin.buffer.read().decode("utf-8", "replace"))
    except ValueError as error:
        raise Failure(f"malformed context: {error}") from None
    if context.pachd_address:
        context["pachd_address"] = parse_address(context.pachd_address).qualified
    call.config.contexts[name] = context
    call.config.write()


@command("config import-kube")
def import_kube(call: Call) -> None:
    name, config = call.args[0], call.config
    if name in config.contexts and not call.overwrite:
        raise Failure(f"context '{name}' already exists, use `--overwrite` if you wish to replace it")
    known = _kubernetes()
    chosen = call.kubernetes or known.get("current-context") or ""
    found = next((each["context"] for each in known.get("contexts") or [] if each["name"] == chosen), None)
    if found is None:
        raise Failure(f"kubernetes context does not exist: {chosen}")
    made = {
        "source": "IMPORTED",
        "cluster_name": found.get("cluster", ""),
        "auth_info": found.get("user", ""),
        "namespace": call.namespace or found.get("namespace", ""),
        "enterprise_server": call.enterprise,
    }
    config.v2["active_enterprise_context" if call.enterprise else "active_context"] = name
    config.contexts[name] = Message(CONTEXT, {key: value for key, value in made.items() if value})
    config.write()


def _kubernetes() -> dict[str, Any]:
    """kubectl's configuration: $KUBECONFIG's first file, or ~/.kube/config; empty where there is none."""
    import yaml

    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    path = Path(first) if first else Path.home() / ".kube" / "config"
    return (yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}


@command("config update context")
def update_context(call: Call) -> None:
    if call.args:
        context = _existing(call, call.args[0])
    else:
        name, context = call.config.active()
        print(f"editing the currently active context {quoted(name)}")
    for flag in sorted(call.given & {"cluster-name", "auth-info", "server-cas", "namespace", "project"}):
        context[flag.replace("-", "_")] = call.flags[flag]
    if "pachd-address" in call.given:
        context["pachd_address"] = parse_address(call.pachd_address).qualified if call.pachd_address else ""
    if call.remove_cluster_deployment_id:
        context.pop("cluster_deployment_id", None)
    call.config.write()


@command("config delete context")
def delete_context(call: Call) -> None:
    _existing(call, call.args[0])
    if call.config.v2.active_context == call.args[0]:
        raise Failure("cannot delete an active context")
    del call.config.contexts[call.args[0]]
    call.config.write()


@command("config list context")
def list_context(call: Call) -> None:
    active = call.config.active(needed=False)[0]
    print("ACTIVE\tNAME")
    for name in sorted(call.config.contexts):
        marks = ("E" if name == call.config.v2.active_enterprise_context else "") + ("*" if name == active else "")
        print(f"{marks}\t{name}")
