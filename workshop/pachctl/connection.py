"""The way to pachd: one python_pachyderm.Client, and calls of any method by name with messages as dictionaries.

The client carries what a context says (address, certificates, token). Its generated methods are older than Pachyderm
2.12, so methods are called by their names: `pachd.call("pfs_v2.API/InspectRepo", "pfs_v2.RepoInfo", request)`.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from workshop.pachctl.errors import Failure, Refused
from workshop.pachctl.messages import Message, decode, encode

if TYPE_CHECKING:
    from workshop.pachctl.config import Address, Config

EMPTY = "google.protobuf.Empty"
_GO_CODES = {"CANCELLED": "Canceled", "OK": "OK"}
_MESSAGE_LIMIT = 64 << 20


class Pachd:
    """Calls of one pachd. Errors arrive as `Refused`."""

    def __init__(self, address: Address, config: Config, timeout: float | None):
        python_pachyderm = _import_client()
        context = config.context
        host, port = (address.host, address.port) if not address.socket else (address.socket, 0)
        self.address, self.timeout = address, timeout
        self.client = python_pachyderm.Client(
            host=host,
            port=port,
            auth_token=context.session_token or None,
            root_certs=_certificates(context.server_cas),
            tls=address.secured,
            use_default_host=False,
        )
        self.channel = _channel(self.client, address)

    def call(self, method: str, answer: str, request: Mapping[str, Any] | None = None, **options: Any) -> Message:
        """Call METHOD ("package.Service/Name") and return its answer, a message of the type ANSWER."""
        return self._start("unary_unary", method, answer, request, **options)

    def stream(
        self, method: str, answer: str, request: Mapping[str, Any] | None = None, **options: Any
    ) -> Iterator[Message]:
        """The answers of METHOD, as they arrive."""
        answers = self._start("unary_stream", method, answer, request, **options)
        try:
            while True:
                try:
                    yield next(answers)
                except StopIteration:
                    return
                except Exception as error:
                    raise self._refused(error, method, request) from None
        finally:
            answers.cancel()

    def upload(self, method: str, answer: str, requests: Iterable[bytes], **options: Any) -> Message:
        """Call a METHOD that takes a stream of messages, given as bytes. `about=` tells a refusal what was asked."""
        return self._start("stream_unary", method, answer, requests, **options)

    def _refused(self, error: Exception, method: str, request: Any) -> Failure:
        failure = _refused(error, self.address)
        if isinstance(failure, Refused):
            from workshop.pachctl.wrapping import surrounded

            return Refused(surrounded(method, request, failure.text, failure.code, self._lacking), failure.code)
        return failure

    def _lacking(self, repo: Mapping[str, Any]) -> str:
        """What there is not: a "repo", its "project", or neither ("")."""
        try:
            self.call("pfs_v2.API/InspectProject", "pfs_v2.ProjectInfo", {"project": repo["project"]})
        except Failure:
            return "project"
        try:
            self.call("pfs_v2.API/InspectRepo", "pfs_v2.RepoInfo", {"repo": repo})
        except Failure:
            return "repo"
        return ""

    def _start(
        self,
        kind: str,
        method: str,
        answer: str,
        request: Any,
        timeout: float | None = None,
        transaction: str = "",
        of: str = "",
        compressed: bool = False,
        about: Mapping[str, Any] | None = None,
    ) -> Any:
        """Start a call. Its request's type is OF, or the method's name and the word Request, or Empty where there
        is none.
        """
        package, name = method.split(".", 1)[0], method.rsplit("/", 1)[1]
        serializer: Callable[[Any], bytes] | None = None
        if kind != "stream_unary":
            of = of or (EMPTY if request is None else f"{package}.{name}Request")
            serializer = lambda values: encode(of, values or {})  # noqa: E731
        caller = getattr(self.channel, kind)(f"/{method}", serializer, lambda data: decode(answer, data))
        metadata = [*self.client._metadata, *([("pach-transaction", transaction)] if transaction else [])]
        limit = timeout if timeout is not None else self.timeout
        try:
            options = {"compression": _gzip()} if compressed else {}
            return caller(request, timeout=limit, metadata=metadata, **options)
        except Exception as error:
            raise self._refused(error, method, request if kind != "stream_unary" else about) from None

    def close(self) -> None:
        self.channel.close()


def _import_client() -> Any:
    """python_pachyderm; its import makes thousands of descriptors, and none of them is garbage to look for."""
    if "python_pachyderm" not in sys.modules:
        gc.disable()
        try:
            import_module("python_pachyderm")
        finally:
            gc.enable()
        gc.freeze()
    return sys.modules["python_pachyderm"]


def _certificates(text: str) -> bytes | None:
    import base64

    return base64.b64decode(text) if text else None


def _gzip() -> Any:
    import grpc

    return grpc.Compression.Gzip


def _channel(client: Any, address: Address) -> Any:
    """A channel to the client's address, for calls that its own interceptor would log and wrap when they fail."""
    import grpc

    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
        ("grpc.max_send_message_length", _MESSAGE_LIMIT),
    ]
    options += [("grpc.enable_retries", 0), ("grpc.primary_user_agent", "pachctl")]
    target = address.socket or client.address
    if address.secured:
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(client.root_certs), options)
    return grpc.insecure_channel(target, options)


def _refused(error: Exception, address: Address) -> Failure:
    """pachd's refusal, or one line that says that nobody answers."""
    if isinstance(error, ValueError):
        return Failure(f"pachd at {address.qualified} sent something that is no message: {error}")
    code = getattr(error, "code", None)
    if not callable(code):
        raise error
    name, text = code().name, error.details() or ""  # type: ignore[attr-defined]
    if name == "UNAVAILABLE" and ("failed to connect" in text or "Connection refused" in text):
        cure = "" if os.environ.get("PACH_CONFIG") else "; `workshop up` starts the one on this machine"
        return Refused(f"could not connect to pachd at {address.qualified}: nobody answers there{cure}", "Unavailable")
    if name == "DEADLINE_EXCEEDED" and text == "Deadline Exceeded":
        text = "context deadline exceeded"
    return Refused(text, _GO_CODES.get(name, name.title().replace("_", "")))


def resolve(config: Config) -> Address:
    """Which pachd to call: --context, $PACHD_ADDRESS, the active context's, or the embedded one. Raises Failure."""
    from workshop.pachctl.config import embedded_address, parse_address

    context = config.context
    if (config.asked or os.environ.get("PACH_CONTEXT")) and context.pachd_address:
        return parse_address(context.pachd_address)
    if os.environ.get("PACHD_ADDRESS"):
        return parse_address(os.environ["PACHD_ADDRESS"])
    if context.pachd_address:
        return parse_address(context.pachd_address)
    embedded = embedded_address()
    if embedded is None:
        raise Failure(
            "no pachd to talk to: start the one on this machine with `workshop up`, "
            "or name another with `pachctl connect ADDRESS` or $PACHD_ADDRESS"
        )
    return embedded


def connect(config: Config, timeout: float | None = None) -> Pachd:
    """The connection of this call. TIMEOUT, in seconds, is the limit of each call."""
    return Pachd(resolve(config), config, timeout)
