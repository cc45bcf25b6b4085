"""edit metadata: key/value pairs on projects, repos, branches, commits, pipelines and the cluster."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from workshop.pachctl.address import is_id
from workshop.pachctl.commands import Call, command
from workshop.pachctl.errors import Failure, in_full

_EXPECTED = "expected <equals> Str? (<terminator> | <eof>)"
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<double>"(?:[^"\\]|\\.)*")|(?P<single>'[^']*')|(?P<sign>[;=])|(?P<word>[^;="'\s]+)"""
)


@command("edit metadata")
def edit_metadata(call: Call) -> None:
    edits = parse_edits(call.args, call.config.project)
    with in_full("invoke EditMetadata: "):
        call.pachd.call("metadata.API/EditMetadata", "metadata.EditMetadataResponse", {"edits": edits})
    print("ok", file=sys.stderr)


def parse_edits(words: list[str], project: str) -> list[dict[str, Any]]:
    """The edits of a command line. Raises Failure with a line for each that cannot be read."""
    if len(words) % 4:
        raise Failure("parse cmdline: must supply arguments in multiples of 4")
    edits, problems = [], []
    for index in range(0, len(words), 4):
        kind, picker, operation, data = words[index : index + 4]
        try:
            edits.append({**_target(kind, picker, project), **_operation(operation, data)})
        except ValueError as error:
            problems.append(f"arg set {index // 4}: {error}")
    if problems:
        raise Failure("parse cmdline: " + "\n".join(problems))
    return edits


def _target(kind: str, picker: str, project: str) -> dict[str, Any]:
    kind_of = kind.lower()
    if kind_of == "cluster":
        return {"cluster": {}}
    if kind_of == "project":
        return {"project": {"name": picker}}
    if kind_of == "repo":
        return {"repo": {"name": _repo(picker, project)}}
    if kind_of == "pipeline":
        before, slash, name = picker.rpartition("/")
        return {"pipeline": {"name": {"project": {"name": before if slash else project}, "name": name}}}
    if kind_of not in ("branch", "commit"):
        raise ValueError(f'unknown object type "{kind}"')
    repo, at, rest = picker.partition("@")
    if not at or not repo or not rest:
        raise ValueError(f'unable to parse {kind_of} picker "{picker}"')
    of = {"name": _repo(repo, project)}
    if kind_of == "branch":
        return {"branch": {"name": {"repo": of, "name": rest}}}
    return {"commit": _commit(of, rest, picker)}


def _repo(picker: str, project: str) -> dict[str, Any]:
    before, slash, name = picker.rpartition("/")
    name, _, kind = name.partition(".")
    return {"project": {"name": before if slash else project}, "name": name, "type": kind or "user"}


def _commit(repo: dict[str, Any], text: str, picker: str) -> dict[str, Any]:
    """branch or id, with ^, ~ or .N after it."""
    match = re.fullmatch(r"([a-zA-Z0-9_-]+)((?:\^+|~+)(\d*)|\.(\d+))?", text)
    if not match:
        raise ValueError(f'unable to parse commit picker "{picker}"')
    name, suffix, count, root = match.groups()
    start: dict[str, Any] = (
        {"id": {"repo": repo, "id": name}} if is_id(name) else {"branch_head": {"name": {"repo": repo, "name": name}}}
    )
    if root:
        return {"branch_root": {"offset": int(root), "branch": {"name": {"repo": repo, "name": name}}}}
    if suffix:
        return {"ancestor": {"offset": int(count) if count else len(suffix), "start": start}}
    return start


def _operation(operation: str, data: str) -> dict[str, Any]:
    name = operation.lower()
    if name in ("add", "edit"):
        try:
            key, value = parse_one(data)
        except ValueError as error:
            raise ValueError(f"parse error: parse kv: {error}") from None
        return {f"{name}_key": {"key": key, "value": value}}
    if name == "delete":
        return {"delete_key": {"key": data}}
    if name == "replace":
        pairs = _many(data)
        replacement = dict(pairs)
        if len(replacement) < len(pairs):
            twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
            raise ValueError(f'duplicate key "{twice}"')
        return {"replace": {"replacement": replacement}}
    raise ValueError(f'unknown operation "{operation}"')


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """kind, value and column of each token."""
    tokens, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"1:{place + 1}: invalid input text {json.dumps(text[place:])}")
        kind, raw = match.lastgroup or "", match.group()
        if kind != "space":
            value = json.loads(raw) if kind == "double" else raw[1:-1] if kind == "single" else raw
            tokens.append(("sign" if kind == "sign" else "text", value, place + 1))
        place = match.end()
    tokens.append(("end", "<EOF>", len(text) + 1))
    return tokens


def _pairs(text: str) -> list[tuple[str, str]]:
    tokens, pairs = _tokens(text), []
    while tokens[0][0] != "end":
        if tokens[0][0] != "text":
            raise ValueError(f'1:{tokens[0][2]}: unexpected token "{tokens[0][1]}"')
        key = tokens.pop(0)[1]
        if tokens[0][:2] != ("sign", "="):
            raise ValueError(f'1:{tokens[0][2]}: unexpected token "{tokens[0][1]}" ({_EXPECTED})')
        tokens.pop(0)
        value = tokens.pop(0)[1] if tokens[0][0] == "text" else ""
        pairs.append((key, value))
        if tokens[0][:2] == ("sign", ";"):
            tokens.pop(0)
        elif tokens[0][0] != "end":
            raise ValueError(f'1:{tokens[0][2]}: unexpected token "{tokens[0][1]}" (expected <terminator> | <eof>)')
    return pairs


def parse_one(text: str) -> tuple[str, str]:
    """One key=value; either side may be quoted. Raises ValueError with the place of what is wrong."""
    pairs = _pairs(text)
    if len(pairs) != 1:
        where = len(text) + 1 if not pairs else text.index(";") + 2
        raise ValueError(f'1:{where}: unexpected token "{text[where - 1 :] or "<EOF>"}"')
    return pairs[0]


def _many(text: str) -> list[tuple[str, str]]:
    if not text.strip():
        return []
    try:
        if text.lstrip().startswith("{"):
            found = json.loads(text, object_pairs_hook=list)
            if not all(isinstance(value, str) for _, value in found):
                raise ValueError("values must be strings")
            return found
        return _pairs(text)
    except ValueError as error:
        raise ValueError(f"invalid 'replace' expression: parse kv: {error}") from None
