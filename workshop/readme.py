"""README.md as a programme: workshops, their steps, the `$` lines of each step and what those print.

The grammar is small, and whatever does not fit it is an error with a line number:

    # Workshop: Iris                  a workshop begins; any other `# Title` ends it
    ## 1. Connect to pachd            a step begins, numbered from 1 without gaps; `## Title` ends the steps
    prose                             kept, and shown before the commands that follow it
    <!-- check: file a@master:/b -->  what must be true once the step is done (see checks.py)
    <!-- numbers vary -->             in the next block, numbers and sizes differ from run to run
    ```console                        a block of commands; blocks in other languages are prose
    $ pachctl list repo               a command ...
    NAME   SIZE                       ... and the lines it prints, up to the next `$`
    ```

Ids, ages, durations and addresses are classes: any id stands for any other. All else is compared exactly, but for the
padding of columns, which follows the width of the ages.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

FENCE = "```"
CHECK = re.compile(r"<!--\s*check:\s*(.+?)\s*-->")
NUMBERS_VARY = re.compile(r"<!--\s*numbers vary\s*-->")

AGE = r"(?:Less than a second|About a minute|About an hour|\d+ (?:second|minute|hour|day|week|month|year)s?)"
CLASSES = [
    (re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b"), "<id>"),
    (re.compile(r"\b127\.0\.0\.1:\d+\b"), "<address>"),
    (re.compile(rf"\b{AGE} ago\b"), "<age>"),
    (re.compile(rf"\b{AGE}(?=\s|$)"), "<duration>"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:µs|ms|s|m)\b"), "<duration>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)"), "<time>"),
]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:[KMGT]iB|B)?(?![\w.])")


class ReadmeError(Exception):
    """The README does not follow the grammar; the text names the line."""


@dataclass
class Command:
    """One `$` line: the text after the `$`, the lines printed below it, and its place in the file (from 1)."""

    text: str
    line: int
    output: list[str] = field(default_factory=list)
    numbers_vary: bool = False

    def prints(self, text: str) -> bool:
        """Is this what the README says the command prints, ids, ages and durations apart?"""
        return classed("\n".join(self.output), self.numbers_vary) == classed(text, self.numbers_vary)


@dataclass
class Block:
    """Commands that stand together, and the prose before them."""

    prose: str
    commands: list[Command]


@dataclass
class Step:
    number: int
    title: str
    line: int
    blocks: list[Block] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    afterword: str = ""

    @property
    def commands(self) -> list[Command]:
        return [command for block in self.blocks for command in block.commands]


@dataclass
class Workshop:
    """A part of the README: `name` is its title in lower case with hyphens, `breast-cancer` for `Breast cancer`."""

    name: str
    title: str
    steps: list[Step] = field(default_factory=list)

    def step(self, number: int) -> Step:
        if not 1 <= number <= len(self.steps):
            raise ReadmeError(f"{self.title} has no step {number}: its steps are 1 to {len(self.steps)}")
        return self.steps[number - 1]


def classed(text: str, numbers_vary: bool = False) -> str:
    """Text without colours, its volatile words replaced by their classes and its columns' padding by single spaces."""
    text = COLOUR.sub("", text)
    for pattern, name in CLASSES:
        text = pattern.sub(name, text)
    if numbers_vary:
        text = NUMBER.sub("<number>", text)
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]
    return "\n".join(lines).strip("\n")


def load(path: Path) -> dict[str, Workshop]:
    """The workshops of a README file by name; a file without any is an error."""
    workshops = parse(path.read_text(encoding="utf-8"))
    if not workshops:
        raise ReadmeError(f"{path} has no part that begins with `# Workshop: Title`")
    return workshops


def parse(text: str) -> dict[str, Workshop]:
    """The workshops of a README's text by name."""
    return _Parser().parse(text)


class _Parser:
    """Walks the lines once; `step` and `workshop` are where it is, `prose` what it has read since the last block."""

    def __init__(self) -> None:
        self.workshops: dict[str, Workshop] = {}
        self.workshop: Workshop | None = None
        self.step: Step | None = None
        self.prose: list[str] = []
        self.numbers_vary = False

    def parse(self, text: str) -> dict[str, Workshop]:
        lines = enumerate(text.splitlines(), start=1)
        for number, line in lines:
            if line.startswith(FENCE):
                self._fenced(line, number, lines)
            elif line.startswith("# "):
                self._end_step()
                self._title(line[2:].strip(), number)
            elif line.startswith("## "):
                self._end_step()
                self._heading(line[3:].strip(), number)
            elif self.step is not None:
                self._prose(line)
        self._end_step()
        for workshop in self.workshops.values():
            if not workshop.steps:
                raise ReadmeError(f"the workshop {workshop.title} has no steps")
        return self.workshops

    def _title(self, title: str, number: int) -> None:
        self.workshop = None
        if not title.startswith("Workshop:"):
            return
        title = title.removeprefix("Workshop:").strip()
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        if not name or name in self.workshops:
            raise ReadmeError(f"line {number}: a workshop needs a name of its own: {title!r}")
        self.workshop = self.workshops[name] = Workshop(name, title)

    def _heading(self, heading: str, number: int) -> None:
        match = re.fullmatch(r"(\d+)\. (.+)", heading)
        if self.workshop is None or match is None:
            return
        expected = len(self.workshop.steps) + 1
        if int(match[1]) != expected:
            raise ReadmeError(f"line {number}: step {match[1]} follows step {expected - 1} of {self.workshop.title}")
        self.step = Step(expected, match[2], number)
        self.workshop.steps.append(self.step)

    def _prose(self, line: str) -> None:
        assert self.step is not None
        if check := CHECK.fullmatch(line.strip()):
            self.step.checks.append(check[1])
        elif NUMBERS_VARY.fullmatch(line.strip()):
            self.numbers_vary = True
        elif not line.strip().startswith("<!--"):
            self.prose.append(line)

    def _end_step(self) -> None:
        if self.step is not None:
            self.step.afterword = _paragraphs(self.prose)
        self.step, self.prose, self.numbers_vary = None, [], False

    def _fenced(self, opening: str, number: int, lines) -> None:
        body = []
        for inside, line in lines:
            if line.startswith(FENCE):
                break
            body.append((inside, line))
        else:
            raise ReadmeError(f"line {number}: the block that begins here does not end")
        if self.step is None:
            return
        if opening.strip() != f"{FENCE}console":
            self.prose += [opening, *(line for _, line in body), FENCE]
            return
        commands: list[Command] = []
        for inside, line in body:
            if line.startswith("$ "):
                commands.append(Command(line[2:].strip(), inside, numbers_vary=self.numbers_vary))
            elif not commands:
                raise ReadmeError(f"line {inside}: a console block begins with a `$ ` line, not {line!r}")
            else:
                commands[-1].output.append(line.rstrip())
        if not commands:
            raise ReadmeError(f"line {number}: a console block without a `$ ` line")
        self.step.blocks.append(Block(_paragraphs(self.prose), commands))
        self.prose, self.numbers_vary = [], False


def _paragraphs(lines: list[str]) -> str:
    return "\n".join(lines).strip("\n")


def rewritten(text: str, outputs: dict[int, str]) -> str:
    """The README with other outputs: {line of a `$` command: what it printed}. Right-hand padding is dropped."""
    result: list[str] = []
    skipping = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith((FENCE, "$ ")):
            skipping = False
        if not skipping:
            result.append(line)
        if number in outputs:
            result += [printed.rstrip() for printed in COLOUR.sub("", outputs[number]).rstrip("\n").splitlines()]
            skipping = True
    return "\n".join(result) + "\n"
