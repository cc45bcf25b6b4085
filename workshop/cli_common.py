"""What the commands share: the pachd they talk to, the workshop they are about, and how they print."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from workshop import context as contexts
from workshop.errors import WrongUsage

if TYPE_CHECKING:
    from workshop.readme import Workshop
    from workshop.steps import Guide

SCHEMA = 1

workshop_option = click.option(
    "-w", "--workshop", default="iris", show_default=True, metavar="NAME", help="iris, breast-cancer or image-pipeline."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
context_object = click.pass_obj


def print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps({"schema": SCHEMA} | document, indent=2, ensure_ascii=False))


def find_workshop(name: str) -> "Workshop":
    """A workshop of this checkout's README by name."""
    from workshop import readme

    workshops = readme.load(contexts.checkout() / "README.md")
    if name not in workshops:
        raise WrongUsage(f"there is no workshop {name!r}", f"there are: {', '.join(workshops)}")
    return workshops[name]


def find_target(context: str | None, start: bool = False) -> contexts.Target:
    """The pachd to use; with `start`, the embedded one is started where no other is named."""
    from workshop import daemon

    if start and not context and contexts.named_address() is None:
        return daemon.start(contexts.state_folder())
    target = contexts.resolve(context)
    contexts.version(target)
    return target


def find_guide(context: str | None, name: str, quiet: bool = False, start: bool = True) -> "Guide":
    """Everything that running or checking steps needs: the README's part, a pachd, a shell, a memory."""
    from workshop.progress import Watch
    from workshop.shell import Shell
    from workshop.steps import Guide, Memory

    workshop = find_workshop(name)
    target = find_target(context, start)
    client, state = contexts.client(target), contexts.state_folder()
    environment = contexts.environment(target, context)
    if not sys.stdout.isatty():
        environment["NO_COLOR"] = "1"  # pachctl colours its states even in a pipe
    program = click.get_current_context().find_root().command
    shell = Shell(contexts.checkout(), state / "bin", program, environment)
    memory = Memory(state / "looked_at.json")
    return Guide(workshop, contexts.checkout(), client, shell, memory, quiet, lambda: Watch(client))


def mark(good: bool) -> str:
    """A tick or a cross, in letters that the terminal has."""
    encoding = (sys.stdout.encoding or "ascii").lower()
    return ("✓" if good else "✗") if encoding.startswith("utf") else ("ok" if good else "!!")
