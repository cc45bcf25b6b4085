"""Transactions: several changes as one. The id of the open one is kept in the active context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.errors import Failure
from workshop.pachctl.messages import Message
from workshop.pachctl.output import Encoder
from workshop.pachctl.tables import Table, ago

_API = "transaction_v2.API"
_INFO = "transaction_v2.TransactionInfo"


def store_or_call(call: Call, method: str, answer: str, request: Mapping[str, Any]) -> Message:
    """Call a method that a transaction can store; with one open it is stored there, and the user is told so."""
    return call.pachd.call(method, answer, request, transaction=call.config.transaction)


def tell_where(call: Call) -> None:
    """Tell the user that the command is stored in the open transaction, where there is one."""
    if call.config.transaction:
        print(f"Added to transaction: {call.config.transaction}")


def _open(call: Call) -> str:
    if not call.config.transaction:
        raise Failure("no active transaction")
    return call.config.transaction


def _inspect(call: Call, identity: str) -> Message:
    return call.pachd.call(f"{_API}/InspectTransaction", _INFO, {"transaction": {"id": identity}})


@command("list transaction")
def list_transaction(call: Call) -> None:
    infos = call.pachd.call(f"{_API}/ListTransaction", "transaction_v2.TransactionInfos", {}).transaction_info
    if require_raw(call):
        Encoder(call.output).write_all(infos)
        return
    with Table("TRANSACTION\tSTARTED\tOPS\t", tail=True) as table:
        for info in infos:
            table.add(info.transaction.id, ago(info, "started", call.full_timestamps), str(len(info.requests)))


@command("start transaction")
def start_transaction(call: Call) -> None:
    if call.config.transaction:
        raise Failure(
            f'cannot start a new transaction, since transaction with ID "{call.config.transaction}" already exists'
        )
    started = call.pachd.call(f"{_API}/StartTransaction", "transaction_v2.Transaction", {})
    call.config.set_transaction(started.id)
    print(f'started new transaction: "{started.id}"')


@command("stop transaction")
def stop_transaction(call: Call) -> None:
    identity = _open(call)
    call.config.set_transaction("")
    print(f"Cleared active transaction: {identity}")


@command("finish transaction")
def finish_transaction(call: Call) -> None:
    identity = call.args[0] if call.args else _open(call)
    info = call.pachd.call(f"{_API}/FinishTransaction", _INFO, {"transaction": {"id": identity}})
    call.config.set_transaction("")
    print(f"Completed transaction with {len(info.responses)} requests: {info.transaction.id}")


@command("delete transaction")
def delete_transaction(call: Call) -> None:
    identity = call.args[0] if call.args else _open(call)
    call.pachd.call(f"{_API}/DeleteTransaction", EMPTY, {"transaction": {"id": identity}})
    if identity == call.config.transaction:
        call.config.set_transaction("")


@command("inspect transaction")
def inspect_transaction(call: Call) -> None:
    info = _inspect(call, call.args[0] if call.args else _open(call))
    if require_raw(call):
        Encoder(call.output).write(info)
        return
    print(f"ID: {info.transaction.id}")
    print(f"Started: {ago(info, 'started', call.full_timestamps)}")
    print("Requests:")
    for line in _requests(info) or ["-"]:
        print(f"  {line}")


@command("resume transaction")
def resume_transaction(call: Call) -> None:
    info = _inspect(call, call.args[0])
    call.config.set_transaction(info.transaction.id)
    print(f"Resuming existing transaction with {len(info.requests)} requests: {info.transaction.id}")


def _requests(info: Message) -> list[str]:
    """A line for each stored request: the command that made it."""
    lines = []
    for index, stored in enumerate(info.requests):
        kind = next(iter(stored), "")
        request = stored[kind] if kind else Message("google.protobuf.Empty")
        force = " --force" if kind.startswith("delete") and request.get("force") else ""
        if kind == "create_repo":
            line = f"{'update' if request.get('update') else 'create'} repo {address.repo_text(request.repo)}"
        elif kind == "delete_repo":
            line = f"delete repo {address.repo_text(request.repo)} {force}"
        elif kind == "start_commit":
            answer = (
                info.responses[index] if index < len(info.responses) else Message("transaction_v2.TransactionResponse")
            )
            identity = answer.commit.id if "commit" in answer else "ERROR (unknown response type)"
            line = f"start commit {address.branch_text(request.branch)} ({identity})"
        elif kind == "finish_commit":
            line = f"finish commit {address.repo_text(request.commit.branch.repo)}@{request.commit.id}"
        elif kind == "squash_commit_set":
            line = f"squash commitset {request.commit_set.id}"
        elif kind == "create_branch":
            line = f"create branch {address.branch_text(request.branch)}"
        elif kind == "delete_branch":
            line = f"delete branch {address.branch_text(request.branch)}{force}"
        elif kind == "create_pipeline_v2":
            spec = request.create_pipeline_request
            line = f"{'update' if spec.get('update') else 'create'} pipeline {address.pipeline_text(spec.pipeline)}"
        else:
            line = "ERROR (unknown request type)"
        lines.append(line)
    return lines
