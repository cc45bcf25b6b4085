"""`workshop pachctl …`: pachctl's own command line, whole, handed over word for word."""

from __future__ import annotations

import click

from workshop.pachctl.main import main


class _Pachctl(click.Command):
    """A command whose words are not click's to read: pachctl has rules of its own for options, `--` and --help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return []

    def invoke(self, ctx: click.Context) -> None:
        ctx.exit(main(ctx.args))


pachctl = _Pachctl(
    "pachctl",
    short_help="Run one pachctl command here.",
    help="Run one pachctl command, on the embedded pachd or on the one that --context names.",
    add_help_option=False,
)
