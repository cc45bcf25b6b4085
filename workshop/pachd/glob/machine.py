"""Globs run by a machine that visits each state once at each position: never slow, whatever the pattern.

Steps: one character, go, try (this way first, then that one), save a position, not (what must not match), end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workshop.pachd.glob.patterns import Group, One, Run, Text


@dataclass(slots=True)
class _Code:
    steps: list[tuple] = field(default_factory=list)

    def add(self, *step: object) -> int:
        self.steps.append(step)
        return len(self.steps) - 1


def assemble(nodes: tuple[object, ...], begins: bool, groups: int) -> list[tuple]:
    code = _Code()
    _sequence(code, nodes, begins)
    code.add("end")
    return code.steps


def _sequence(code: _Code, nodes: tuple[object, ...], begins: bool) -> None:
    for node in nodes:
        if isinstance(node, Text):
            for char in node.text:
                code.add("one", frozenset(char), False)
        elif isinstance(node, One):
            code.add("one", node.chars, node.negated)
        elif isinstance(node, Run):
            _run_of(code, frozenset() if node.slashes else frozenset("/"))
        elif isinstance(node, Group):
            if node.number:
                code.add("save", 2 * node.number)
            if node.times == "!":
                jump = code.add()
                _choices(code, node.choices, begins)
                code.add("end" if not begins else "begun")
                code.steps[jump] = ("not", jump + 1, len(code.steps))
                _run_of(code, frozenset("/"))
            elif node.times == "@":
                _choices(code, node.choices, begins)
            else:
                _repeat(code, node, begins)
            if node.number:
                code.add("save", 2 * node.number + 1)


def _run_of(code: _Code, without: frozenset[str]) -> None:
    split = code.add()
    code.add("one", without, True)
    code.add("go", split)
    code.steps[split] = ("try", split + 1, len(code.steps))


def _repeat(code: _Code, node: Group, begins: bool) -> None:
    if node.times == "+":
        start = len(code.steps)
        _choices(code, node.choices, begins)
        code.add("try", start, len(code.steps) + 1)
        return
    split = code.add()
    _choices(code, node.choices, begins)
    if node.times == "*":
        code.add("go", split)
    code.steps[split] = ("try", split + 1, len(code.steps))


def _choices(code: _Code, choices: tuple[tuple[object, ...], ...], begins: bool) -> None:
    exits = []
    for choice in choices[:-1]:
        split = code.add()
        _sequence(code, choice, begins)
        exits.append(code.add())
        code.steps[split] = ("try", split + 1, len(code.steps))
    _sequence(code, choices[-1], begins)
    for at in exits:
        code.steps[at] = ("go", len(code.steps))


def run(program: list[tuple], path: str, start: int, groups: int) -> list[str] | None:
    """What the groups caught by the first way, in order of preference, that takes the program to its end."""
    slots = _search(program, path, 0, start, [start, 0] + [-1] * (2 * groups))
    if slots is None:
        return None
    slots[1] = len(path)
    return [path[a:b] if 0 <= a <= b else "" for a, b in zip(slots[::2], slots[1::2], strict=True)]


def _search(program: list[tuple], path: str, counter: int, position: int, slots: list[int]) -> list[int] | None:
    seen: set[tuple[int, int]] = set()
    stack: list[tuple[int, int, list[int]]] = [(counter, position, slots)]
    while stack:
        counter, position, slots = stack.pop()
        while (counter, position) not in seen:
            seen.add((counter, position))
            step = program[counter]
            kind = step[0]
            if kind == "one":
                if position == len(path) or (path[position] in step[1]) == step[2]:
                    break
                counter, position = counter + 1, position + 1
            elif kind == "go":
                counter = step[1]
            elif kind == "try":
                stack.append((step[2], position, slots))
                counter = step[1]
            elif kind == "save":
                slots = list(slots)
                slots[step[1]] = position
                counter += 1
            elif kind == "not":
                if _search(program, path, step[1], position, slots) is not None:
                    break
                counter = step[2]
            elif kind == "begun" or position == len(path):
                return slots
            else:
                break
    return None
