"""auth: who may do what. pachd is asked each time; one without users answers that auth is not activated."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from workshop.pachctl.commands import Call, command
from workshop.pachctl.errors import Failure, in_full, saying
from workshop.pachctl.golang import parse_duration, quoted
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder, read_line
from workshop.pachctl.protocol import schema
from workshop.pachctl.protojson import parse
from workshop.pachctl.sources import read_error
from workshop.pachctl.specs import read_json

_CLUSTER = {"type": "CLUSTER"}
_KEEP = (
    "WARNING: DO NOT LOSE THE AUTH TOKEN BELOW. STORE IT SECURELY FOR THE LIFE OF THE CLUSTER."
    "THIS TOKEN WILL ALWAYS HAVE ADMIN ACCESS TO FIX THE CLUSTER CONFIGURATION."
)


def _ask(call: Call, name: str, request: Mapping[str, Any]) -> Message:
    return call.pachd.call(f"auth_v2.API/{name}", f"auth_v2.{name}Response", request)


@command("auth whoami")
def whoami(call: Call) -> None:
    with saying("error: "):
        print(f"You are {quoted(_ask(call, 'WhoAmI', {}).username)}")


@command("auth login")
def login(call: Call) -> None:
    if not call.id_token:
        raise Failure("no authentication providers are configured")
    print("ID token: ", end="", file=sys.stderr, flush=True)
    with saying("authorization failed (Pachyderm logs may contain more information): "):
        answer = _ask(call, "Authenticate", {"id_token": _token("could not read id token: ")})
    _keep_token(call, answer.pach_token)


@command("auth logout")
def logout(call: Call) -> None:
    _keep_token(call, "")


@command("auth use-auth-token")
def use_auth_token(call: Call) -> None:
    print("Please paste your Pachyderm auth token:")
    _keep_token(call, _token("error reading token: "))


def _token(before: str) -> str:
    try:
        return read_line().strip()
    except Failure as error:
        raise Failure(before + error.text) from None


def _keep_token(call: Call, token: str) -> None:
    call.config.active(enterprise=call.enterprise)[1]["session_token"] = token
    call.config.write()


@command("auth deactivate")
def deactivate(call: Call) -> None:
    print(
        "Are you sure you want to delete ALL auth information (ACLs, tokens, and admins) in this cluster, and expose "
        "ALL data? yN",
        flush=True,
    )
    if read_line()[:1] not in ("y", "Y"):
        raise Failure("operation aborted")
    call.pachd.call("identity_v2.API/DeleteAll", "identity_v2.DeleteAllResponse", {})
    _ask(call, "Deactivate", {})


@command("auth get-robot-token")
def get_robot_token(call: Call) -> None:
    request: dict[str, Any] = {"robot": call.args[0]}
    if call.ttl:
        try:
            request["ttl"] = parse_duration(call.ttl) // 10**9
        except ValueError as error:
            raise Failure(f"could not parse duration {quoted(call.ttl)}: {error}") from None
    token = _ask(call, "GetRobotToken", request).token
    print(token if call.quiet else f"Token: {token}")


@command("auth revoke")
def revoke(call: Call) -> None:
    if not call.token and not call.user:
        raise Failure("one of --token or --user must be set")
    if call.token and call.user:
        raise Failure("only one of --token or --user may be set")
    with saying("error: "):
        if call.token:
            number = _ask(call, "RevokeAuthToken", {"token": call.token}).number
        else:
            number = _ask(call, "RevokeAuthTokensForUser", {"username": call.user}).number
    print(f"{number} auth token{'' if number == 1 else 's'} revoked")


@command("auth get-groups")
def get_groups(call: Call) -> None:
    if call.args:
        answer = _ask(call, "GetGroupsForPrincipal", {"principal": call.args[0]})
    else:
        answer = _ask(call, "GetGroups", {})
    print("\n".join(answer.groups))


@command("auth rotate-root-token")
def rotate_root_token(call: Call) -> None:
    with in_full():
        answer = _ask(call, "RotateRootToken", {"root_token": call.supply_token})
    print(f"{_KEEP}\nPachyderm auth token:\n{answer.root_token}")


@command("auth roles-for-permission")
def roles_for_permission(call: Call) -> None:
    permission = call.args[0].upper()
    if permission not in schema("auth_v2.GetRolesForPermissionRequest").by_name["permission"].enum.values():
        raise Failure(f"unknown permission {quoted(call.args[0])}")
    with in_full():
        answer = _ask(call, "GetRolesForPermission", {"permission": permission})
    print("\n".join(sorted(role.name for role in answer.roles)), end="")


def _check(call: Call, resource: dict[str, str]) -> None:
    if len(call.args) == 2:
        request = {"resource": resource, "principal": call.args[1]}
        answer = _ask(call, "GetPermissionsForPrincipal", request)
    else:
        answer = _ask(call, "GetPermissions", {"resource": resource})
    print(f"Roles: [{' '.join(answer.roles)}]\nPermissions: [{' '.join(map(str, answer.permissions))}]")


def _set(call: Call, resource: dict[str, str]) -> None:
    roles, subject = call.args[-2:]
    chosen = [] if roles == "none" else roles.split(",")
    _ask(call, "ModifyRoleBinding", {"resource": resource, "principal": subject, "roles": chosen})


def _get(call: Call, resource: dict[str, str]) -> None:
    for principal, roles in sorted(_ask(call, "GetRoleBinding", {"resource": resource}).binding.entries.items()):
        print(f"{principal}: [{' '.join(roles.roles)}]")


def _repo(call: Call) -> dict[str, str]:
    return {"type": "REPO", "name": f"{call.project}/{call.args[0]}"}


def _project(call: Call) -> dict[str, str]:
    return {"type": "PROJECT", "name": call.args[0]}


command("auth check repo")(lambda call: _check(call, _repo(call)))
command("auth check project")(lambda call: _check(call, _project(call)))
command("auth set repo")(lambda call: _set(call, _repo(call)))
command("auth set project")(lambda call: _set(call, _project(call)))
command("auth set cluster")(lambda call: _set(call, _CLUSTER))
command("auth set enterprise")(lambda call: _set(call, _CLUSTER))
command("auth get repo")(lambda call: _get(call, _repo(call)))
command("auth get project")(lambda call: _get(call, _project(call)))
command("auth get cluster")(lambda call: _get(call, _CLUSTER))
command("auth get enterprise")(lambda call: _get(call, _CLUSTER))


@command("auth get-config")
def get_config(call: Call) -> None:
    answer = _ask(call, "GetConfiguration", {})
    if "configuration" in answer:
        Encoder(call.output_format).write(answer.configuration)
        print()
    else:
        print("no auth config set")


@command("auth set-config")
def set_config(call: Call) -> None:
    call.pachd  # noqa: B018 - connected before anything is read
    text = settings(call.file)
    try:
        configuration = parse("auth_v2.OIDCConfig", read_json(text))
    except (Failure, ValueError) as error:
        raise Failure(f"could not parse config: {error}") from None
    _ask(call, "SetConfiguration", {"configuration": configuration})


def settings(file: str) -> str:
    """The text of a file of settings, or of standard input for "-"."""
    if not file:
        raise Failure('must set input file (use "-" to read from stdin)')
    if file == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        with open(file, "rb") as source:
            return source.read().decode("utf-8", "replace")
    except OSError as error:
        raise Failure(f"could not read config from {quoted(file)}: {read_error(file, error)}") from None
