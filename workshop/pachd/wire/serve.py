"""Serves the protocol: every RPC of the schema has an answer, from a servicer's method or UNIMPLEMENTED by name.

A servicer is a class with `service = "pfs_v2.API"` and a method per RPC that it has: `def InspectRepo(self,
request, call)`.
A unary RPC returns a message, a streaming one returns an iterable of them; a client stream comes as an iterator.
Methods have no try and no checks: refusals are exceptions of `errors`, turned into statuses here, once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError

from workshop.pachd import errors
from workshop.pachd.store.changes import Changes
from workshop.pachd.wire import schema

log = logging.getLogger("pachd.wire")

Handler = Callable[..., Any]
T = TypeVar("T")
MOST_DETAILS = 4000  # characters of an error's text: longer ones break clients, which limit headers


def raw_request(method: Handler) -> Handler:
    """The method takes the request as wire bytes (an iterator of them for a client stream)."""
    method.raw_request = True  # type: ignore[attr-defined]
    return method


def raw_answer(method: Handler) -> Handler:
    """The method gives its answer as wire bytes (an iterable of them for a server stream)."""
    method.raw_answer = True  # type: ignore[attr-defined]
    return method


def partly(missing: str) -> Callable[[Handler], Handler]:
    """The method works but for `missing`, which the coverage table prints."""

    def mark(method: Handler) -> Handler:
        method.missing = missing  # type: ignore[attr-defined]
        return method

    return mark


def transactional(
    field: str,
    prepare: Handler | None = None,
    check: Callable[[Any], Any] | None = None,
    gathered: Callable[[Any], Any] | None = None,
) -> Callable[[Handler], Handler]:
    """The method, of signature (self, request, tx), may be part of a transaction, stored in TransactionRequest.`field`.

    check refuses a request as it comes, before it is part of any transaction. `prepare(self, request)` gives, before
    any of that, the message that is stored and run in the request's place (None: nothing is) and the call's answer.
    gathered turns the answer into that of a call which was only added to a transaction.
    """

    def mark(method: Handler) -> Handler:
        method.transactional = field  # type: ignore[attr-defined]
        method.prepare = prepare  # type: ignore[attr-defined]
        method.check = check or (lambda request: None)  # type: ignore[attr-defined]
        method.gathered = gathered or (lambda answer: answer)  # type: ignore[attr-defined]
        return method

    return mark


WAITERS = 192  # calls that may wait at once; each holds one of the server's threads
_waiters = threading.BoundedSemaphore(WAITERS)


class Call:
    """What a method may know of the call beside its request."""

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context
        self._over = threading.Event()
        if not context.add_callback(self._over.set):
            self._over.set()
        self.metadata = dict(context.invocation_metadata())
        self._wakes = False

    @property
    def transaction(self) -> str:
        """The id of the transaction that the call belongs to, or ''."""
        return str(self.metadata.get("pach-transaction", ""))

    def cancelled(self) -> bool:
        """Whether nobody waits for an answer any more."""
        return self._over.is_set() or not self._context.is_active()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around what may last for ever: refused when so many calls wait that none could be answered any more."""
        if not _waiters.acquire(blocking=False):
            raise errors.ResourceExhausted(f"{WAITERS} calls are waiting already: end some of them and try again")
        try:
            yield
        finally:
            _waiters.release()

    def wait_for(self, changes: Changes, check: Callable[[], T | None]) -> T | None:
        """The first answer of `check` that is not None, asked again after each write; None once the call is over."""
        answer = check()
        if answer is not None:
            return answer
        if not self._wakes:
            self._wakes = True
            self.on_end(changes.bump)
        with self.waiting():
            return changes.wait_for(check, self.cancelled)

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back when the call is over, however it ends (at once when it is over already)."""
        if not self._context.add_callback(callback):
            callback()


class Transactor:
    """Runs a transactional method: alone, or as one more request of a stored transaction.

    The transaction service is one.
    """

    def run(self, servicer: Any, method: Handler, request: Any, call: Call) -> Any:
        raise NotImplementedError


class Dispatcher(grpc.GenericRpcHandler):
    """Finds the method of a servicer for each RPC of the schema."""

    def __init__(
        self, servicers: Iterable[Any], transactor: Transactor, authorize: Callable[[Call], None] | None = None
    ) -> None:
        self.servicers = {servicer.service: servicer for servicer in servicers}
        self._transactor = transactor
        self._authorize = authorize
        self._handlers = {path: self._handler(method) for path, method in schema.METHODS.items()}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(details.method)

    def _handler(self, method: schema.Method) -> grpc.RpcMethodHandler:
        servicer = self.servicers.get(method.service)
        function = getattr(servicer, method.name, None)
        if function is None:
            run = _absent(method)
        elif hasattr(function, "transactional"):
            parse, serialize = _parser(method, function), _serializer(function)

            def run(data: Any, call: Call) -> Any:
                return serialize(self._run_transactional(servicer, function, parse(data), call))
        else:
            parse, serialize = _parser(method, function), _serializer(function)
            run = _runner(method, function, parse, serialize)
        kind = ("stream" if method.streams_in else "unary") + "_" + ("stream" if method.streams_out else "unary")
        guard = _guard_stream if method.streams_out else guard_unary
        return getattr(grpc, f"{kind}_rpc_method_handler")(guard(method, run, self._authorize))

    def _run_transactional(self, servicer: Any, function: Handler, request: Any, call: Call) -> Any:
        if function.prepare is None:  # type: ignore[attr-defined]
            return self._transactor.run(servicer, function, request, call)
        stored, answer = function.prepare(servicer, request)  # type: ignore[attr-defined]
        if stored is not None:
            self._transactor.run(servicer, function, stored, call)
        return answer


def _absent(method: schema.Method) -> Handler:
    def run(_data: Any, _call: Call) -> Any:
        raise errors.Unimplemented(f"{method.service}/{method.name} is not implemented by the embedded pachd")

    return run


def _parser(method: schema.Method, function: Handler) -> Callable[[Any], Any]:
    if getattr(function, "raw_request", False):
        return _whole if method.streams_in else lambda data: data
    kind = schema.message_class(method.request)

    def parse(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except (DecodeError, UnicodeDecodeError, ValueError, IndexError, OverflowError, RecursionError) as error:
            raise errors.Internal(f"grpc: error unmarshalling request: {error or 'invalid wire format'}") from None

    if method.streams_in:
        return lambda stream: map(parse, _whole(stream))
    return parse


def _whole(stream: Iterator[bytes]) -> Iterator[bytes]:
    """The stream's messages. A stream that its sender broke off ends with an error, as the bare one may not.

    grpc-python tells of the last message and of a broken connection by the same event, and of the breach by a second
    one behind it. Asking once more past the end waits for what stands in the queue by then.
    """
    yield from stream
    next(stream, None)


def _serializer(function: Handler) -> Callable[[Any], bytes]:
    if getattr(function, "raw_answer", False):
        return lambda answer: answer
    return lambda answer: answer.SerializeToString()


def _runner(method: schema.Method, function: Handler, parse: Handler, serialize: Handler) -> Handler:
    if not method.streams_out:
        return lambda data, call: serialize(function(parse(data), call))
    return lambda data, call: map(serialize, function(parse(data), call))


def _status(method: schema.Method, error: BaseException) -> tuple[grpc.StatusCode, str]:
    if isinstance(error, errors.PachydermError):
        return grpc.StatusCode[error.code], error.text
    if isinstance(error, RecursionError):
        return grpc.StatusCode.UNKNOWN, f"{method.name}: directories are nested too deeply"
    if isinstance(error, MemoryError):
        return grpc.StatusCode.RESOURCE_EXHAUSTED, f"{method.name}: out of memory"
    if isinstance(error, OSError) and error.errno == 28:
        return (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"{method.name}: no space left on the disk that holds the state folder",
        )
    if type(error).__name__ == "OperationalError" and "full" in str(error):
        return (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"{method.name}: no space left on the disk that holds the state folder",
        )
    log.error("%s failed", method.path, exc_info=error)
    return grpc.StatusCode.INTERNAL, f"{method.name}: internal error: {type(error).__name__}: {error}"


def guard_unary(method: schema.Method, run: Handler, authorize: Callable[[Call], None] | None) -> Handler:
    def handle(data: Any, context: grpc.ServicerContext) -> bytes:
        try:
            call = Call(context)
            if authorize:
                authorize(call)
            return run(data, call)
        except grpc.RpcError:  # the client's stream broke: nobody reads an answer
            context.abort(grpc.StatusCode.CANCELLED, "the client's stream broke")
        except Exception as error:
            code, text = _status(method, error)
            context.abort(code, text if len(text) <= MOST_DETAILS else text[:MOST_DETAILS] + "...")
        raise AssertionError("unreachable")

    return handle


def _guard_stream(method: schema.Method, run: Handler, authorize: Callable[[Call], None] | None) -> Handler:
    def handle(data: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            call = Call(context)
            if authorize:
                authorize(call)
            yield from run(data, call)
        except grpc.RpcError:
            context.abort(grpc.StatusCode.CANCELLED, "the client's stream broke")
        except Exception as error:
            code, text = _status(method, error)
            context.abort(code, text if len(text) <= MOST_DETAILS else text[:MOST_DETAILS] + "...")

    return handle
