"""Errors that a user can act on: what is wrong, then what to do, and an exit status of their own."""

import click

NOT_TRUE, USAGE, NO_PACHD, FAILED = 1, 2, 3, 4


class WorkshopError(click.ClickException):
    """A line that says what is wrong, perhaps a second with the cure; no traceback."""

    exit_code = FAILED

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(f"{message}\n  {cure}" if cure else message)


class NotTrue(WorkshopError):
    """What was asked about is not so (yet): a check fails, a step is not ready."""

    exit_code = NOT_TRUE


class WrongUsage(WorkshopError):
    """The command line names something that does not exist."""

    exit_code = USAGE


class NoPachd(WorkshopError):
    """No pachd answers where one is looked for."""

    exit_code = NO_PACHD
