"""How a command of pachctl fails: one exception for what the user did, one for what pachd answered."""

from __future__ import annotations


class Failure(Exception):
    """The command cannot be done; the text is what the user reads, and the exit status follows."""

    def __init__(self, text: str, status: int = 1):
        super().__init__(text)
        self.text = text
        self.status = status


class Refused(Failure):
    """What pachd (or the way to it) answered. `text` is the bare text; `full` has the status in Go's form before it."""

    def __init__(self, text: str, code: str):
        super().__init__(text)
        self.code = code

    @property
    def full(self) -> str:
        return f"rpc error: code = {self.code} desc = {self.text}"

    @property
    def is_missing(self) -> bool:
        return self.code == "NotFound"


class in_full:
    """A block whose refusals keep gRPC's status in front of their text, as some commands of pachctl print them.

    `with in_full("could not create pipeline: "):` also puts words before it.
    """

    def __init__(self, before: str = ""):
        self.before = before

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Refused):
            raise Failure(self.before + error.full) from error


class saying:
    """A block whose refusals get words before their text: `with saying("error from InspectJob: "):`."""

    def __init__(self, before: str):
        self.before = before

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Refused):
            raise Failure(self.before + error.text) from error
