"""Reading pipeline specs and defaults: YAML or JSON, one document or several, checked as pachctl checks them
before it calls.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import Number, json_text, quoted
from workshop.pachctl.messages import Message
from workshop.pachctl.protojson import parse
from workshop.pachctl.yamltext import resolved

_SCHEMA_KEY = "$schema"
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
# what PyYAML says -> what pachctl's library (of the same family) says
_PROBLEMS = (
    ("expected the node content", "did not find expected node content"),
    ("expected ',' or '}'", "did not find expected ',' or '}'"),
    ("expected ',' or ']'", "did not find expected ',' or ']'"),
    ("mapping values are not allowed here", "mapping values are not allowed in this context"),
    ("that cannot start any token", "found character that cannot start any token"),
    ("expected '<document start>'", "did not find expected <document start>"),
)


def documents(text: str) -> Iterator[Any]:
    """The root node of each YAML document. Raises ValueError with the text of pachctl's YAML library."""
    import yaml

    loader = yaml.BaseLoader(text)
    try:
        while True:
            try:
                if not loader.check_node():
                    return
                node = loader.get_node()
            except yaml.YAMLError as error:
                raise ValueError(f"yaml: {_problem(error, text)}") from None
            yield node
    finally:
        loader.dispose()


def _problem(error: Any, text: str) -> str:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    context = getattr(error, "context", "") or ""
    if "expected <block end>" in problem:
        problem = "did not find expected '-' indicator" if "collection" in context else "did not find expected key"
    else:
        problem = next((theirs for ours, theirs in _PROBLEMS if ours in problem), problem)
    line = 0
    scanning = type(error).__name__ == "ScannerError"
    for mark in (getattr(error, "context_mark", None), getattr(error, "problem_mark", None)):
        if mark is None:
            continue
        at = mark.line + (1 if mark.index >= len(text.rstrip("\0")) and mark.column else 0)
        if at:
            line = at + (1 if scanning else 0)
            break
    return (f"line {line}: " if line else "") + problem


def to_value(node: Any) -> Any:
    """A YAML node as a JSON value; numbers keep their notation. Raises ValueError."""
    kind = node.id
    if kind == "sequence":
        items = []
        for index, item in enumerate(node.value):
            try:
                items.append(to_value(item))
            except ValueError as error:
                raise ValueError(f"bad item {index} in sequence: {error}") from None
        return items
    if kind == "mapping":
        return {key: value for key, value in map(_pair, node.value) if key != _SCHEMA_KEY}
    return _scalar(node)


def _pair(pair: tuple[Any, Any]) -> tuple[str, Any]:
    key, value = to_value(pair[0]), to_value(pair[1])
    if not isinstance(key, str) or isinstance(key, Number):
        names = {
            Number: "json.Number",
            bool: "bool",
            type(None): "<nil>",
            list: "[]interface {}",
            dict: "map[string]interface {}",
        }
        raise ValueError(f"mapping keys must be strings, not {names[type(key)]}")
    return key, value


def _scalar(node: Any) -> Any:
    text = node.value
    tag = node.tag.rsplit(":", 1)[-1]
    if tag == "str" and node.style is None:
        tag = resolved(text)
    if tag == "str":
        return text
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "float":
        return Number("0" + text if text.startswith(".") else text)
    if tag == "int":
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"integer value {quoted(text)} does not match regexp ^(0|(-?[1-9][0-9]*))$")
        return Number(text)
    raise ValueError(f'tag "!!{tag}" unsupported')


def read_json(text: str) -> str:
    """One YAML or JSON document as JSON. Raises Failure."""
    try:
        found = next(documents(text), None)
    except ValueError as error:
        raise Failure(f"could not read input as YAML: could not unmarshal YAML: {error}") from None
    if found is None:
        raise Failure("could not read input as YAML: unexpected YAML kind 0")
    try:
        return json_text(to_value(found))
    except ValueError as error:
        raise Failure(f"could not read input as YAML: could not convert YAML to JSON: {error}") from None


def pipeline_specs(text: str) -> Iterator[dict[str, Any]]:
    """Each pipeline spec in a file: a document, several, or a list of them. Each is checked only when it is reached,
    so those before a bad one can be created already, as pachctl does. Raises Failure."""
    try:
        for root in documents(text):
            if root.id == "mapping":
                yield _checked(root)
            elif root.id == "sequence":
                for node in root.value:
                    yield _checked(node)
            else:
                raise Failure("expected a mapping or a sequence; got 8")
    except ValueError as error:
        raise Failure(f"malformed pipeline spec: {error}") from None


def _checked(node: Any) -> dict[str, Any]:
    try:
        spec = to_value(node)
    except ValueError as error:
        raise Failure(f"could not convert YAML to JSON object: {error}") from None
    if isinstance(spec, dict):
        modernise(spec)
    request = check(json_text(spec))
    if "pipeline" not in request:
        raise Failure("no `pipeline` specified")
    if not request.pipeline.name:
        raise Failure("no pipeline `name` specified")
    _warn_of_tag(request.transform.image)
    return spec


def check(text: str) -> Message:
    """A CreatePipelineRequest in JSON, or Failure with the place of what is wrong."""
    try:
        return parse("pps_v2.CreatePipelineRequest", text)
    except ValueError as error:
        raise Failure(f"could not unmarshal {text} as CreatePipelineRequest: {error}") from None


def modernise(spec: dict[str, Any]) -> None:
    """Translate what Pachyderm 1.x called otherwise, in place, with a note: an `atom` input is a `pfs` input today."""
    if _rename_atoms(spec.get("input")):
        print("WARNING: `atom` inputs are Pachyderm 1.x's; read as `pfs`.", file=sys.stderr)


def _rename_atoms(part: Any) -> bool:
    found = False
    if isinstance(part, dict):
        if "atom" in part and "pfs" not in part:
            part["pfs"] = part.pop("atom")
            found = True
        for name in ("cross", "join", "union", "group"):
            found |= _rename_atoms(part.get(name))
    elif isinstance(part, list):
        for item in part:
            found |= _rename_atoms(item)
    return found


def _warn_of_tag(image: str) -> None:
    if image and ":" not in image:
        print(
            "WARNING: please specify a tag for the docker image in your transform.image spec.\n"
            "For example, change 'python' to 'python:3' or 'bash' to 'bash:5'. This improves\n"
            "reproducibility of your pipelines.\n",
            file=sys.stderr,
        )
    elif image.endswith(":latest"):
        print(
            "WARNING: please do not specify the ':latest' tag for the docker image in your\n"
            "transform.image spec. For example, change 'python:latest' to 'python:3' or\n"
            "'bash:latest' to 'bash:5'. This improves reproducibility of your pipelines.\n",
            file=sys.stderr,
        )
