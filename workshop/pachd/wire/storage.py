"""The one RPC that Pachyderm does not have: a collection of garbage, asked for by `python -m workshop.pachd gc`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from workshop.pachd import errors
from workshop.pachd.pfs import Pfs, storage
from workshop.pachd.wire import encode
from workshop.pachd.wire.schema import Method
from workshop.pachd.wire.serve import Call, guard_unary

_SERVICE, _ANSWER = "workshop.Storage", "google.protobuf.StringValue"
COLLECT = Method(_SERVICE, "Collect", "google.protobuf.BoolValue", _ANSWER, streams_in=False, streams_out=False)
_DRY_RUN = b"\x08\x01"  # BoolValue(value=True)


class Storage(grpc.GenericRpcHandler):
    """Serves COLLECT beside Pachyderm's services."""

    def __init__(self, pfs: Pfs, authorize: Callable[[Call], None] | None = None) -> None:
        self._pfs = pfs
        self._handler = grpc.unary_unary_rpc_method_handler(guard_unary(COLLECT, self._collect, authorize))

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handler if details.method == COLLECT.path else None

    def _collect(self, request: bytes, call: Call) -> bytes:
        return encode.text(1, str(storage.collect(self._pfs, request == _DRY_RUN)))


def ask(address: str, dry_run: bool, token: str = "") -> str:
    """Have the daemon at an address collect; what it collected, in words."""
    metadata: Sequence[tuple[str, str]] = [("authn-token", token)] if token else []
    with grpc.insecure_channel(address) as channel:
        try:
            answer = channel.unary_unary(COLLECT.path)(_DRY_RUN if dry_run else b"", metadata=metadata)
            return str(StringValue.FromString(answer).value)
        except grpc.RpcError as error:
            raise errors.PachydermError(f"the pachd at {address} did not collect: {error.details()}") from None
