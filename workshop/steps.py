"""Running the steps of a workshop: what is shown, what is compared, what is remembered.

stdout carries the commands and what they print, so that `workshop step 7 > file` holds the README's own block; prose,
progress and ticks go to stderr.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workshop import checks
from workshop.errors import NotTrue, WorkshopError
from workshop.readme import Command, Step, Workshop
from workshop.shell import Shell

if TYPE_CHECKING:
    from python_pachyderm import Client


@dataclass
class Memory:
    """Which steps that only look have been looked at; kept in a small file, because pachd cannot know."""

    path: Path

    def _read(self) -> dict[str, list[int]]:
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def seen(self, workshop: str, step: int) -> bool:
        return step in self._read().get(workshop, [])

    def add(self, workshop: str, step: int) -> None:
        seen = self._read()
        seen[workshop] = sorted({*seen.get(workshop, []), step})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(seen) + "\n", encoding="utf-8")

    def forget(self, workshop: str) -> None:
        seen = self._read()
        if seen.pop(workshop, None) is not None:
            self.path.write_text(json.dumps(seen) + "\n", encoding="utf-8")


@dataclass
class Outcome:
    """One command as it went: how long it took, what it printed, and whether the README says the same."""

    command: Command
    seconds: float
    printed: str
    as_written: bool


@dataclass
class Guide:
    """A workshop on a pachd: knows which steps are done, and runs them.

    `progress` is a context in which a command runs, for whoever wants to watch meanwhile.
    """

    workshop: Workshop
    folder: Path
    client: "Client"
    shell: Shell
    memory: Memory
    quiet: bool = False
    progress: Callable[[], AbstractContextManager] = nullcontext
    outcomes: list[Outcome] = field(default_factory=list)

    def makes(self, step: Step) -> list[checks.Fact]:
        return checks.makes(step, self.folder)

    def findings(self, step: Step) -> list[checks.Finding]:
        """The facts the step promises, each asked of pachd; for a step that only looks, what it looks at."""
        return checks.check(self.makes(step) or checks.needs(step, self.folder), self.client)

    def is_done(self, step: Step) -> bool:
        if not self.makes(step) and not self.memory.seen(self.workshop.name, step.number):
            return False
        return not any(finding.problem for finding in self.findings(step))

    def require_ready(self, step: Step) -> None:
        """NotTrue, with the step to do first, unless all that the step builds on is there."""
        lacking = checks.missing(step, self.workshop, self.folder, self.client)
        if lacking is None:
            return
        finding, maker = lacking
        option = "" if self.workshop.name == "iris" else f" --workshop {self.workshop.name}"
        cure = f"do it now: workshop step{option} {maker.number}" if maker else "see the README"
        if maker and step.number - maker.number > 1:
            cure += f"\n  or everything before step {step.number}: workshop run{option} --to {step.number - 1}"
        what = f"step {maker.number} ({maker.title})" if maker else "more"
        raise NotTrue(f"step {step.number} needs {what} first: {finding.problem}", cure)

    def run(self, step: Step) -> None:
        """Run the step's lines in order, stopping at the first that fails; then check what they should have made."""
        self.require_ready(step)
        self._say(f"\n {step.number} of {len(self.workshop.steps)} · {step.title}\n")
        for block in step.blocks:
            if not self.quiet and block.prose:
                self._say(_indented(block.prose))
            for command in block.commands:
                self._run(command)
            self._say("")
        if not self.quiet and step.afterword:
            self._say(_indented(step.afterword) + "\n")
        for finding in self.findings(step):
            if finding.problem:
                raise WorkshopError(
                    f"step {step.number} has run, but {finding.problem}", f"look again: workshop check {step.number}"
                )
        if not self.makes(step):
            self.memory.add(self.workshop.name, step.number)

    def _run(self, command: Command) -> None:
        print(f"$ {command.text}", flush=True)
        started = time.monotonic()
        with self.progress():
            result = self.shell.run(command.text)
        seconds = time.monotonic() - started
        sys.stdout.flush()
        printed = result.stdout.decode(errors="replace")
        sys.stdout.write(printed)
        sys.stdout.flush()
        if result.stderr:
            self._say(result.stderr.decode(errors="replace").rstrip("\n"))
        if result.status == 130:  # Ctrl-C was meant for us
            raise KeyboardInterrupt
        if result.status:
            raise WorkshopError(f"line {command.line} of the README failed with status {result.status}: {command.text}")
        outcome = Outcome(command, seconds, printed, command.prints(printed))
        self.outcomes.append(outcome)
        if not outcome.as_written:
            self._say(f"   (the README shows another output for this command: line {command.line})")

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def dry_run(step: Step) -> Iterator[str]:
    """The step's lines and nothing else: what to type with the real pachctl."""
    for command in step.commands:
        yield command.text


def _indented(text: str) -> str:
    return "\n".join(f"   {line}".rstrip() for line in text.splitlines()) + "\n"
