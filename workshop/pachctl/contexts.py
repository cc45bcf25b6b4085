"""connect and config: contexts in pachctl's configuration file. None of these commands calls pachd."""

from __future__ import annotations

import sys

from workshop.pachctl.commands import Call, Flag, command, group
from workshop.pachctl.config import CONTEXT, parse_address
from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import quoted
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder
from workshop.pachctl.protojson import parse
from workshop.pachctl.sources import remind_of_stdin

group("config", "Manages the pachyderm config.", "Gets/sets pachyderm config values.", associated=" config ")
for _verb, _doing in (
    ("get", "getting"),
    ("set", "setting"),
    ("update", "updating"),
    ("delete", "deleting"),
    ("list", "listing"),
):
    group(f"config {_verb}", f"Commands for {_doing} pachyderm config values")


@command(
    "connect",
    "Connect to a Pachyderm Cluster",
    1,
    "connect <address>",
    (Flag("alias", "Set an alias for the context that is created."),),
    plural="",
    long="This command creates a Pachyderm context at the given address and sets it as active. It stores the pachd "
    "address, "
    "cluster deployment ID, and actively set project name. \n\n"
    "If the actively set project no longer exists due to deletion or hard restart / reinstall, you may get an error "
    "that can be "
    "resolved by setting an existing project (e.g., `default`) to the context. \n"
    "\t- To list all contexts, use `pachctl config list contexts`. \n"
    "\t- To view details, use `pachctl config get context <context>`. \n"
    "\t- To clean up your contexts, use `pachctl config delete context <context>`. \n",
    example="\t- {{alias}} localhost:80 --alias my-private-cluster",
)
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


@command("config get metrics", "Gets whether metrics are enabled.", None, plural="")
def get_metrics(call: Call) -> None:
    print(str(call.config.v2.metrics).lower())


@command("config set metrics", "Controls whether metrics are enabled or not.", 1, "metrics (true | false)", plural="")
def set_metrics(call: Call) -> None:
    if call.args[0] not in ("true", "false"):
        raise Failure("invalid argument; use either `true` or `false`")
    call.config.v2["metrics"] = call.args[0] == "true"
    call.config.write()


@command("config get active-context", "Gets the currently active context.", None, plural="")
def get_active_context(call: Call) -> None:
    print(call.config.active(needed=False)[0] or "NONE")


@command("config set active-context", "Sets the currently active context.", 1, "active-context <context>", plural="")
def set_active_context(call: Call) -> None:
    _existing(call, call.args[0])
    call.config.v2["active_context"] = call.args[0]
    call.config.write()


@command("config get active-enterprise-context", "Gets the currently active enterprise context.", None, plural="")
def get_active_enterprise_context(call: Call) -> None:
    print(call.config.active(needed=False, enterprise=True)[0] or "NONE")


@command(
    "config set active-enterprise-context",
    "Sets the currently active enterprise context.",
    1,
    "active-enterprise-context <context>",
    plural="",
)
def set_active_enterprise_context(call: Call) -> None:
    _existing(call, call.args[0])
    call.config.v2["active_enterprise_context"] = call.args[0]
    call.config.write()


@command("config get context", "Gets a context.", 1, "context <context>", plural="")
def get_context(call: Call) -> None:
    Encoder("json").write(_existing(call, call.args[0]))


@command(
    "config set context",
    "Set a context.",
    1,
    "context <context>",
    (Flag("overwrite", "Overwrite a context if it already exists.", "bool"),),
    plural="",
    long="This command sets a context config from a given name and a JSON configuration file on stdin",
)
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


@command(
    "config update context",
    "Updates a context.",
    (0, 1),
    "context [<context>]",
    (
        Flag("pachd-address", "Set a new name pachd address."),
        Flag("cluster-name", "Set a new cluster name."),
        Flag("auth-info", "Set a new k8s auth info."),
        Flag("server-cas", "Set new trusted CA certs."),
        Flag("namespace", "Set a new namespace."),
        Flag("project", "Set a new project."),
        Flag("remove-cluster-deployment-id", "Remove the cluster deployment ID field.", "bool"),
    ),
    plural="",
    long="This command updates an existing context config from a given name (or the currently-active context, if no "
    "name is given).",
)
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


@command("config delete context", "Deletes a context.", 1, "context <context>", plural="")
def delete_context(call: Call) -> None:
    _existing(call, call.args[0])
    if call.config.v2.active_context == call.args[0]:
        raise Failure("cannot delete an active context")
    del call.config.contexts[call.args[0]]
    call.config.write()


@command("config list context", "Lists contexts.", None, plural="")
def list_context(call: Call) -> None:
    active = call.config.active(needed=False)[0]
    print("ACTIVE\tNAME")
    for name in sorted(call.config.contexts):
        marks = ("E" if name == call.config.v2.active_enterprise_context else "") + ("*" if name == active else "")
        print(f"{marks}\t{name}")
