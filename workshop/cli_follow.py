"""The commands that follow a workshop: steps, step, run, check, reset."""

import sys

import click

from workshop.cli_common import (
    context_object,
    find_guide,
    find_target,
    find_workshop,
    json_option,
    mark,
    print_json,
    workshop_option,
)
from workshop.context import named_address
from workshop.errors import NoPachd, NotTrue, WrongUsage


@click.command()
@workshop_option
@json_option
@context_object
def steps(context: str | None, workshop: str, as_json: bool) -> None:
    """List the steps, and which are done.

    \b
    workshop steps --workshop iris
    """
    try:
        guide = find_guide(context, workshop, start=False)
    except NoPachd:
        guide = None
    part = find_workshop(workshop)
    done = {step.number: guide is not None and guide.is_done(step) for step in part.steps}
    if as_json:
        rows = [{"number": step.number, "title": step.title, "done": done[step.number]} for step in part.steps]
        return print_json({"workshop": workshop, "pachd": guide is not None, "steps": rows})
    for step in part.steps:
        click.echo(f" {mark(True) if done[step.number] else '·'} {step.number:>2}  {step.title}")
    following = next((step for step in part.steps if not done[step.number]), None)
    named = "" if workshop == "iris" else f" --workshop {workshop}"
    hint = (
        f"next: workshop step{named} {following.number}" if following else f"all done; once more: workshop reset{named}"
    )
    return click.echo(f"\n {hint}", err=True)


@click.command()
@click.argument("number", type=int)
@click.option("--dry-run", is_flag=True, help="Print the commands and nothing else.")
@click.option("-q", "--quiet", is_flag=True, help="Leave the explanations out.")
@click.option("--again", is_flag=True, help="Run it even if it is done.")
@workshop_option
@context_object
def step(context: str | None, number: int, dry_run: bool, quiet: bool, again: bool, workshop: str) -> None:
    """Run step NUMBER of the README.

    \b
    workshop step 7
    workshop step 7 --dry-run
    """
    from workshop import steps as room

    chosen = find_workshop(workshop).step(number)
    if dry_run:
        for line in room.dry_run(chosen):
            click.echo(line)
        return
    guide = find_guide(context, workshop, quiet)
    chosen = guide.workshop.step(number)
    if guide.makes(chosen) and guide.is_done(chosen) and not again:
        click.echo(f" {mark(True)} step {number} is done already (run it all the same: --again)", err=True)
        return
    guide.run(chosen)
    click.echo(f" {mark(True)} step {number} is done", err=True)


@click.command()
@click.option("--to", type=int, help="Stop after this step.")
@click.option("-q", "--quiet", is_flag=True, help="Leave the explanations out.")
@click.option("--write-readme", is_flag=True, hidden=True, help="Write what was printed into README.md.")
@workshop_option
@context_object
def run(context: str | None, to: int | None, quiet: bool, write_readme: bool, workshop: str) -> None:
    """Run the whole workshop; steps that are done already are passed over.

    \b
    workshop run
    workshop run --to 6
    """
    guide = find_guide(context, workshop, quiet)
    last = guide.workshop.step(to).number if to is not None else len(guide.workshop.steps)
    ticks = []
    for chosen in guide.workshop.steps[:last]:
        if guide.makes(chosen) and guide.is_done(chosen):
            ticks.append(f" {mark(True)} {chosen.number:>2}  {chosen.title} (it was done before)")
        else:
            guide.run(chosen)
            ticks.append(f" {mark(True)} {chosen.number:>2}  {chosen.title}")
    click.echo("\n".join(ticks), err=True)
    if last == len(guide.workshop.steps) and context is None and named_address() is None:
        click.echo("\n pachd keeps running, to look around (workshop status); workshop down stops it", err=True)
    if write_readme:
        _write_readme(guide)


def _write_readme(guide) -> None:
    from workshop import readme

    path = guide.folder / "README.md"
    outputs = {outcome.command.line: outcome.printed for outcome in guide.outcomes}  # all: ids agree with each other
    path.write_text(readme.rewritten(path.read_text(encoding="utf-8"), outputs), encoding="utf-8")
    click.echo(f" {len(outputs)} outputs written into {path}", err=True)


@click.command()
@click.argument("number", type=int, required=False)
@workshop_option
@json_option
@context_object
def check(context: str | None, number: int | None, workshop: str, as_json: bool) -> None:
    """See whether step NUMBER (or every step) is done, whoever did it.

    \b
    workshop check 7
    """
    guide = find_guide(context, workshop, start=False)
    chosen = guide.workshop.steps if number is None else [guide.workshop.step(number)]
    results = [(step, guide.findings(step)) for step in chosen]
    done = {step.number: not any(finding.problem for finding in findings) for step, findings in results}
    if as_json:
        rows = [
            {
                "number": step.number,
                "title": step.title,
                "done": done[step.number],
                "findings": [{"fact": str(finding.fact), "problem": finding.problem} for finding in findings],
            }
            for step, findings in results
        ]
        print_json({"workshop": workshop, "steps": rows})
    else:
        for step, findings in results:
            click.echo(f" {step.number} · {step.title}")
            for finding in findings:
                click.echo(f"   {mark(not finding.problem)} {finding.problem or finding.fact}")
    undone = [number for number, is_done in done.items() if not is_done]
    if undone:
        raise NotTrue(
            f"not done: {'step' if len(undone) == 1 else 'steps'} {', '.join(map(str, undone))}",
            f"workshop step {undone[0]}",
        )


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@workshop_option
@context_object
def reset(context: str | None, yes: bool, workshop: str) -> None:
    """Delete the pipelines and repos of the workshop (asks first).

    \b
    workshop reset
    """
    from workshop import reset as room

    guide = find_guide(context, workshop, start=False)
    plan = room.plan(guide)
    if not plan:
        guide.memory.forget(workshop)
        click.echo("there is nothing of this workshop to delete")
        return
    click.echo(f"This deletes from {find_target(context).address}, with all their data:")
    for line in plan.lines():
        click.echo(f"  {line}")
    if not yes:
        if not sys.stdin.isatty():
            raise WrongUsage("without a terminal nobody can be asked", "workshop reset --yes")
        click.confirm("Delete them?", abort=True)
    room.carry_out(plan, guide)
    click.echo("done; the workshop begins anew with step 1")
