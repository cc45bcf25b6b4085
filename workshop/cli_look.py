"""The commands that look: status, dag, lineage, workers, why, doctor."""

from pathlib import Path

import click

from workshop import context as contexts
from workshop.cli_common import context_object, find_guide, find_target, json_option, print_json, workshop_option
from workshop.errors import NOT_TRUE


@click.command()
@workshop_option
@json_option
@context_object
def status(context: str | None, workshop: str, as_json: bool) -> None:
    """Steps, pachd, pipelines and repos at a glance.

    \b
    workshop status
    """
    from workshop import status as room

    guide = find_guide(context, workshop, start=False)
    document = room.gather(guide, find_target(context))
    if as_json:
        print_json(document)
    else:
        click.echo(room.text(document))


@click.command()
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG picture to this file.")
@click.option("--mermaid", is_flag=True, help="Print the graph in Mermaid's language.")
@json_option
@context_object
def dag(context: str | None, svg: Path | None, mermaid: bool, as_json: bool) -> None:
    """Draw the pipelines and the repos they read.

    \b
    workshop dag
    workshop dag --svg pipelines.svg
    """
    from workshop import dag as room

    graph = room.gather(contexts.client(find_target(context)))
    if as_json:
        return print_json(room.document(graph))
    if svg is not None:
        svg.write_text(room.svg(graph), encoding="utf-8")
        return click.echo(f"{svg} is written", err=True)
    return click.echo(room.mermaid(graph) if mermaid else room.text(graph), nl=False)


@click.command()
@click.argument("address")
@click.option("--down", "downstream", is_flag=True, help="What was made from it, instead of what made it.")
@json_option
@context_object
def lineage(context: str | None, address: str, downstream: bool, as_json: bool) -> None:
    """Show what made a commit or a file: data, model and specs.

    \b
    workshop lineage inference@master
    workshop lineage inference@master:/test1.csv
    workshop lineage --down training@master
    """
    from workshop import lineage as room

    client = contexts.client(find_target(context))
    tree = room.trace(client, room.parse_address(address), downstream)
    if as_json:
        print_json(room.document(tree))
    else:
        click.echo(room.text(tree))


@click.command()
@click.argument("pipeline")
@json_option
@context_object
def workers(context: str | None, pipeline: str, as_json: bool) -> None:
    """Show which worker did what in the newest job of PIPELINE.

    \b
    workshop workers inference
    """
    from workshop import workers as room

    document = room.gather(contexts.client(find_target(context)), pipeline)
    if as_json:
        print_json(document)
    else:
        click.echo(room.text(document))


@click.command()
@click.argument("job", metavar="PIPELINE[@JOB]")
@json_option
@context_object
def why(context: str | None, job: str, as_json: bool) -> None:
    """Say why each datum of a job ran, was skipped or failed.

    \b
    workshop why inference
    workshop why inference@5f93d03b65fa421996185e53f7f8b1e4
    """
    from workshop import why as room

    report = room.gather(contexts.client(find_target(context)), job)
    if as_json:
        print_json(room.document(report))
    else:
        click.echo(room.text(report))


@click.command()
@json_option
@context_object
def doctor(context: str | None, as_json: bool) -> None:
    """Find what would spoil the workshop on this machine, and how to mend it.

    \b
    workshop doctor
    """
    from workshop import doctor as room

    remarks = room.examine(contexts.state_folder(), contexts.checkout(), context)
    if as_json:
        print_json({"remarks": [remark.document() for remark in remarks]})
    else:
        click.echo(room.text(remarks))
    if any(remark.level == "problem" for remark in remarks):
        raise click.exceptions.Exit(NOT_TRUE)
