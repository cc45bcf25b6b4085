"""The command `workshop`: short functions that read the command line, call a room and print what it answers."""

import os
from pathlib import Path
from typing import Any

import click

from workshop import cli_follow, cli_look
from workshop import context as contexts
from workshop.cli_common import context_object
from workshop.errors import FAILED, NO_PACHD, NOT_TRUE, USAGE, NoPachd, WorkshopError, WrongUsage

EPILOG = (
    f"Exit status: 0 done; {NOT_TRUE} not (yet) true; {USAGE} wrong usage; {NO_PACHD} no pachd; "
    f"{FAILED} a command or job failed; 130 stopped."
)


class Group(click.Group):
    """Turns the errors of gRPC and of the README into one line, and Ctrl-C into 130."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None
        except Exception as error:
            if (known := _known(error)) is None:
                raise
            raise known from None


def _known(error: Exception) -> click.ClickException | None:
    """The line for the user that an exception stands for; None for one that is a mistake of this program."""
    from workshop.checks import ChecksError
    from workshop.readme import ReadmeError

    if isinstance(error, ConnectionError):
        return NoPachd("pachd does not answer", "start it: workshop up")
    if isinstance(error, (ReadmeError, ChecksError)):
        return WrongUsage(str(error))
    if hasattr(error, "details") and hasattr(error, "code"):  # grpc.RpcError, named so that grpc need not be imported
        return WorkshopError(str(error.details()))
    return None


@click.group(
    cls=Group, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True
)
@click.option("--context", metavar="NAME", help="Use the cluster of this context in pachctl's config file.")
@click.pass_context
def main(ctx: click.Context, context: str | None) -> None:
    """Pachyderm workshops on this machine, or on a cluster of yours.

    \b
    workshop run          the whole Iris workshop, on an embedded pachd
    workshop step 4       one step of it
    workshop pachctl list repo

    Without a command: the steps, and which are done.
    """
    ctx.obj = context
    if ctx.invoked_subcommand is None:
        ctx.invoke(cli_follow.steps, workshop="iris", as_json=False)


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (30650, or any if that is taken).")
@click.option(
    "--runtime",
    type=click.Choice(["docker", "podman"]),
    help="Run user code in containers of the specs' own images (else as processes of this machine).",
)
@click.option(
    "--images",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="TABLE",
    help="Which image holds which code, in place of docker/images.json.",
)
@context_object
def up(context: str | None, port: int | None, runtime: str | None, images: Path | None) -> None:
    """Start the embedded pachd in the background, or say where it is.

    \b
    workshop up
    workshop up --runtime docker
    """
    from workshop import daemon

    if context or contexts.named_address() is not None:
        target = contexts.resolve(context)
    else:
        target = daemon.start(contexts.state_folder(), port, runtime or "", images)
    click.echo(f"pachd {contexts.version(target)} is ready on {target.address}")


@main.command()
def down() -> None:
    """Stop the embedded pachd; its data stay.

    \b
    workshop down
    """
    from workshop import daemon

    click.echo("pachd has stopped" if daemon.stop(contexts.state_folder()) else "pachd was not running")


@main.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@context_object
def pachctl(context: str | None, arguments: tuple[str, ...]) -> None:
    """Run one pachctl command here.

    \b
    workshop pachctl list repo
    """
    if context:
        os.environ["PACH_CONTEXT"] = context
    from workshop.pachctl.cli import pachctl as program

    program.main(list(arguments), prog_name="pachctl")


for command in (cli_follow.steps, cli_follow.step, cli_follow.run, cli_follow.check, cli_follow.reset):
    main.add_command(command)
for command in (cli_look.status, cli_look.dag, cli_look.lineage, cli_look.workers, cli_look.why, cli_look.doctor):
    main.add_command(command)


if __name__ == "__main__":
    main()
