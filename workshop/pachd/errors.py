"""The few ways a request can be refused. Texts are an API: clients match them with regular expressions.

Each class carries the name of its gRPC status. Pachyderm answers most refusals with UNKNOWN, which is the base class's.
"""

from __future__ import annotations


class PachydermError(Exception):
    """A refusal with the text that the client reads; never empty.

    `full` is the text as Pachyderm wraps it in the calls that it went through, which only transactions show.
    """

    code = "UNKNOWN"

    def __init__(self, text: str, full: str = "") -> None:
        super().__init__(text or "unknown error")
        self.full = full or str(self)

    @property
    def text(self) -> str:
        return str(self)

    def wrapped(self, prefix: str) -> PachydermError:
        """The same refusal, of the same class, with words before it."""
        return type(self)(f"{prefix}{self}", f"{prefix}{self.full}")

    def within(self, prefix: str) -> PachydermError:
        """The same refusal, with words before its full text alone."""
        return type(self)(str(self), f"{prefix}{self.full}")


class NotFound(PachydermError):
    code = "NOT_FOUND"


class AlreadyExists(PachydermError):
    code = "ALREADY_EXISTS"


class InvalidArgument(PachydermError):
    code = "INVALID_ARGUMENT"


class FailedPrecondition(PachydermError):
    code = "FAILED_PRECONDITION"


class Internal(PachydermError):
    code = "INTERNAL"


class Unavailable(PachydermError):
    code = "UNAVAILABLE"


class Unimplemented(PachydermError):
    code = "UNIMPLEMENTED"


class Unauthenticated(PachydermError):
    code = "UNAUTHENTICATED"


class DeadlineExceeded(PachydermError):
    code = "DEADLINE_EXCEEDED"


class ResourceExhausted(PachydermError):
    code = "RESOURCE_EXHAUSTED"


class DataLoss(PachydermError):
    """Stored bytes are gone or differ from their hash."""

    code = "DATA_LOSS"


class Cancelled(PachydermError):
    code = "CANCELLED"
