"""transaction_v2.API: requests kept together and run all or nothing.

A call that names a transaction is appended to its list, and the whole list is run on trial for its answers and faults.
FinishTransaction runs it for good, under the transaction's own id.
"""

from __future__ import annotations

import time
from typing import Any

from workshop.pachd import errors, ids
from workshop.pachd.pfs import Pfs, Transaction
from workshop.pachd.store import pending
from workshop.pachd.wire.names import invalid, title
from workshop.pachd.wire.schema import google, transaction_v2
from workshop.pachd.wire.serve import Call, Handler, Transactor

_REQUIRED = {"delete_branch": "branch", "update_job_state": "job"}


class Transactions(Transactor):
    """The service, and the runner of transactional methods."""

    service = "transaction_v2.API"

    def __init__(self, pfs: Pfs) -> None:
        self._pfs = pfs
        self._methods: dict[str, tuple[Any, Handler]] = {}

    def admit(self, servicers: list[Any]) -> None:
        """Learn which methods may be part of a transaction."""
        for servicer in servicers:
            for name in dir(type(servicer)):
                method = getattr(servicer, name)
                if hasattr(method, "transactional"):
                    self._methods.setdefault(method.transactional, (servicer, method))

    def run(self, servicer: Any, method: Handler, request: Any, call: Call) -> Any:
        method.check(request)  # type: ignore[attr-defined]
        if call.transaction:
            return self._append(call.transaction, method, request)
        with self._pfs.transaction() as tx:
            return method(request, tx)

    def _append(self, id: str, method: Handler, request: Any) -> Any:
        for _ in range(10):
            info = self._load(id)
            stored = transaction_v2.TransactionRequest()
            field = stored.DESCRIPTOR.fields_by_name[method.transactional]  # type: ignore[attr-defined]
            getattr(stored, field.name).CopyFrom(_as(field.message_type, request))
            info.requests.append(stored)
            answers = self._play(info, keep=False)
            if self._save(info):
                return method.gathered(answers[-1])  # type: ignore[attr-defined]
        raise errors.PachydermError("transaction could not be modified due to concurrent modifications")

    def _load(self, id: str) -> Any:
        with self._pfs.store.database.read() as db:
            document = pending.load(db, id)
        if document is None:
            raise _missing(id)
        return transaction_v2.TransactionInfo.FromString(document)

    def _save(self, info: Any) -> bool:
        """Keep the longer list, unless somebody else was faster."""
        old = info.version
        info.version += 1
        with self._pfs.store.database.write() as db:
            return pending.replace(db, info.transaction.id, old, info.SerializeToString())

    def _play(self, info: Any, keep: bool, stored_too: bool = False) -> list[Any]:
        """Run all requests of a transaction in one write; their answers. Fills in info.responses.

        stored_too: it leaves the store with this write, and is refused when somebody else finished it meanwhile.
        """
        answers = []
        del info.responses[:]
        with self._pfs.transaction(set_id=info.transaction.id, dry_run=not keep) as tx:
            for number, stored in enumerate(info.requests, 1):
                try:
                    answer = self._run_stored(stored, tx)
                except errors.PachydermError as error:
                    raise type(error)(f"error running request {number} of {len(info.requests)}: {error.full}") from None
                answers.append(answer)
                response = info.responses.add()
                if answer is not None and answer.DESCRIPTOR.full_name == "pfs_v2.Commit":
                    response.commit.CopyFrom(answer)
            if stored_too and not pending.delete(tx.db, info.transaction.id):
                raise _missing(info.transaction.id)
        return answers

    def _run_stored(self, stored: Any, tx: Transaction) -> Any:
        for field, value in stored.ListFields():
            if field.name in self._methods:
                return self._methods[field.name][1](value, tx)
        raise errors.PachydermError("unrecognized transaction request type")

    # ------------------------------------------------------------------ RPCs

    def StartTransaction(self, request: Any, call: Call) -> Any:
        info = transaction_v2.TransactionInfo()
        info.transaction.id = ids.new_id()
        _set_now(info.started)
        with self._pfs.store.database.write() as db:
            pending.insert(db, info.transaction.id, ids.now(), info.SerializeToString())
        return info.transaction

    def BatchTransaction(self, request: Any, call: Call) -> Any:
        _check_batch(request)
        info = transaction_v2.TransactionInfo(requests=request.requests)
        info.transaction.id = ids.new_id()
        _set_now(info.started)
        self._play(info, keep=True)
        return info

    def FinishTransaction(self, request: Any, call: Call) -> Any:
        info = self._load(_named(request, "FinishTransactionRequest"))
        self._play(info, keep=True, stored_too=True)
        return info

    def InspectTransaction(self, request: Any, call: Call) -> Any:
        return self._load(_named(request, "InspectTransactionRequest"))

    def DeleteTransaction(self, request: Any, call: Call) -> Any:
        id = _named(request, "DeleteTransactionRequest")
        with self._pfs.store.database.write() as db:
            if not pending.delete(db, id):
                raise _missing(id)
        return google.Empty()

    def ListTransaction(self, request: Any, call: Call) -> Any:
        with self._pfs.store.database.read() as db:
            documents = pending.newest_first(db)
        return transaction_v2.TransactionInfos(
            transaction_info=[transaction_v2.TransactionInfo.FromString(document) for document in documents]
        )

    def DeleteAll(self, request: Any, call: Call) -> Any:
        with self._pfs.store.database.write() as db:
            pending.delete_all(db)
        return google.Empty()


def _check_batch(batch: Any) -> None:
    """Refuse requests that lack a message which the protocol's own rules require."""
    wrong = []
    for number, request in enumerate(batch.requests):
        for field, value in request.ListFields():
            needed = _REQUIRED.get(field.name, "")
            if needed and not value.HasField(needed):
                kind = field.message_type.name
                cause = invalid("TransactionRequest", title(field.name), within=invalid(kind, title(needed)))
                wrong.append(invalid("BatchTransactionRequest", f"Requests[{number}]", within=cause))
    if wrong:
        raise errors.InvalidArgument("validate request: " + "; ".join(wrong))


def _missing(id: str) -> errors.NotFound:
    return errors.NotFound(f"transactions {id} not found")


def _as(kind: Any, message: Any) -> Any:
    assert message.DESCRIPTOR.full_name == kind.full_name, message.DESCRIPTOR.full_name
    return message


def _named(request: Any, kind: str) -> str:
    if not request.HasField("transaction"):
        raise errors.InvalidArgument(f"validate request: invalid {kind}.Transaction: value is required")
    return request.transaction.id


def _set_now(stamp: Any) -> None:
    stamp.seconds, stamp.nanos = divmod(time.time_ns(), 10**9)
