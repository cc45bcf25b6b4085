"""Taking a workshop back: which pipelines and repos its lines make, and deleting those that are there."""

from dataclasses import dataclass, field

from workshop.steps import Guide


@dataclass
class Plan:
    """What there is to delete, in the order in which it can be: pipelines from the end of the graph, then repos."""

    pipelines: list[str] = field(default_factory=list)
    repos: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.pipelines or self.repos)

    def lines(self) -> list[str]:
        return [f"pipeline {name}" for name in self.pipelines] + [f"repo {name}" for name in self.repos]


def plan(guide: Guide) -> Plan:
    """Of what the workshop's lines make, that which exists."""
    facts = [fact for step in guide.workshop.steps for fact in guide.makes(step)]
    there = {info.pipeline.name for info in guide.client.list_pipeline()}
    repos = {info.repo.name for info in guide.client.list_repo()}
    made = dict.fromkeys(fact.name for fact in facts if fact.kind == "pipeline")
    written = dict.fromkeys(fact.name for fact in facts if fact.kind == "repo")
    return Plan(
        [name for name in reversed(made) if name in there],
        [name for name in reversed(written) if name in repos],
    )


def carry_out(chosen: Plan, guide: Guide) -> None:
    """Delete what the plan names, and forget what was looked at."""
    for name in chosen.pipelines:
        guide.client.delete_pipeline(name)
    for name in chosen.repos:
        guide.client.delete_repo(name)
    guide.memory.forget(guide.workshop.name)
