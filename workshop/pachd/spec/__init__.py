"""The effective specification of a pipeline: what the user wrote on top of the defaults, parsed, translated and
checked. Pure.

built-in defaults <- the cluster's <- the project's <- the user's specification      (JSON merge patch, RFC 7396)
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from workshop.pachd.errors import InvalidArgument, PachydermError
from workshop.pachd.model import DEFAULT_PROJECT
from workshop.pachd.spec import inputs
from workshop.pachd.spec.fields import Document, JsonFault, canonical, dump, escaped, load, parse
from workshop.pachd.spec.patch import canonical_keys, compact, merge, rounded

DEFAULT_IMAGE = "ubuntu:20.04"
BUILT_IN: Document = {
    "transform": {"image": DEFAULT_IMAGE},
    "outputBranch": "master",
    "datumTries": "3",
    "reprocessSpec": "until_success",
}
# As texts, because refusals quote them: the keys stand in the protocol's order.
BUILT_IN_TEXT = (
    f'{{"createPipelineRequest":{{"transform":{{"image":"{DEFAULT_IMAGE}"}},"outputBranch":"master","datumTries":"3",'
    '"reprocessSpec":"until_success"}}'
)
_RESOURCES = '{"cpu":1,"memory":"256Mi","disk":"1Gi"}'
CLUSTER_DEFAULTS = (
    f'{{"createPipelineRequest":{{"resourceRequests":{_RESOURCES},"sidecarResourceRequests":{_RESOURCES}}}}}'
)
TRANSFORM, SPOUT, SERVICE = 1, 2, 3  # pps_v2.PipelineInfo.PipelineType
LONGEST_NAME, LONGEST_KUBERNETES_NAME = 51, 63
_SERVICE_TYPES = ("ClusterIP", "LoadBalancer", "NodePort")


@dataclass(frozen=True)
class Spec:
    """A specification that was understood. `request` is canonical, as a CreatePipelineRequest message would hold it."""

    request: Document
    effective: str
    user: str
    warnings: list[str] = field(default_factory=list)

    @property
    def answer(self) -> str:
        """The effective specification as CreatePipelineV2 answers it: canonical, with the call's flags."""
        return dump(self.request)


# ---------------------------------------------------------------- making it
def effective(
    user: str,
    cluster_defaults: str,
    project_defaults: Callable[[str], str],
    update: bool = False,
    reprocess: bool = False,
) -> Spec:
    """The effective specification of the user's JSON text. InvalidArgument says what cannot be understood.

    The defaults are JSON texts `{"createPipelineRequest": {...}}`; those of a project are asked for by its name.
    """
    text, warnings = translate(user)
    try:
        project = parse(text).get("pipeline", {}).get("project", {}).get("name") or DEFAULT_PROJECT
    except JsonFault as fault:
        raise InvalidArgument(
            f"could not make effective spec: could not parse {user} as Create Pipeline Request message: {fault}"
        ) from None
    try:
        defaults = project_defaults(project)
    except PachydermError as fault:
        raise InvalidArgument(
            f"could not make effective spec: could not get defaults for project {project}: could not get defaults "
            f"for project {project}: {fault}"
        ) from None
    under = _defaults(cluster_defaults, defaults)
    try:
        given = canonical_keys({"createPipelineRequest": load(text)}, "ClusterDefaults")
    except JsonFault as fault:
        wrapper = escaped(f'{{"createPipelineRequest":{compact(text)}}}')
        raise InvalidArgument(
            f"could not make effective spec: could not merge user wrapper {wrapper} into effective project defaults "
            f"{dump(under)}: could not canonicalize target object: {fault}"
        ) from None
    merged = merge(under, given)["createPipelineRequest"]
    stored = dump(rounded(merged))
    try:
        request = canonical(merged, "CreatePipelineRequest")
    except JsonFault as fault:
        whole = dump({"createPipelineRequest": merged})
        raise InvalidArgument(
            f"could not make effective spec: could not unmarshal effective spec {whole}: {fault}"
        ) from None
    try:
        _check_statically(request)
    except PachydermError as fault:
        raise InvalidArgument(f"could not make effective spec: invalid effective spec {stored}: {fault}") from None
    if "pipeline" not in request:
        raise PachydermError("request.Pipeline cannot be nil")
    if not request["pipeline"].get("project", {}).get("name"):
        request["pipeline"]["project"] = {"name": DEFAULT_PROJECT}
    for flag, value in (("update", update), ("reprocess", reprocess)):
        request.pop(flag, None)
        if value:
            request[flag] = True
    return Spec(request, stored, user, warnings)


def _defaults(cluster: str, project: str) -> Document:
    """What stands under a user's specification: the built-in defaults with the cluster's and the project's."""
    merged: Document = {"createPipelineRequest": BUILT_IN}
    for text in (cluster, project):
        merged = merge(merged, canonical_keys(load(text or "{}"), "ClusterDefaults"))
    return merged


def check_defaults(text: str) -> None:
    """Refuse (JsonFault) a text that is no defaults document: `{}` or `{"createPipelineRequest": {...}}`."""
    canonical(load(text), "ClusterDefaults")


def check_merged(cluster: str, project: str = "{}") -> None:
    """Refuse (PachydermError, JsonFault) defaults under which no specification could be valid."""
    merged = _defaults(cluster, project).get("createPipelineRequest", {})
    _check_statically(canonical(merged, "CreatePipelineRequest"))


def _check_statically(request: Document) -> None:
    if "tfJob" in request:
        raise PachydermError("embedding TFJobs in pipelines is not supported yet")
    if request.get("reprocessSpec", "") not in ("", "until_success", "every_job"):
        raise PachydermError('invalid pipeline spec: ReprocessSpec must be one of "until_success" or "every_job"')
    tolerations = request.get("tolerations", [])
    faults = [
        f"toleration {number}/{len(tolerations)}: cannot omit key/value comparison operator; specify EQUAL or EXISTS"
        for number, toleration in enumerate(tolerations, 1)
        if "operator" not in toleration
    ]
    if faults:
        raise PachydermError("\n".join(faults))
    for key in ("podSpec", "podPatch"):
        if request.get(key) and not _is_json(request[key]):
            raise PachydermError(f"malformed {key[0].upper()}{key[1:]}")
    type = request.get("service", {}).get("type", "")
    if type and type not in _SERVICE_TYPES:
        raise PachydermError(f"the following service type {type} is not allowed")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return not re.search(r"\b(NaN|Infinity)\b", re.sub(r'"(\\.|[^"\\])*"', "", text))


# ---------------------------------------------------------------- 1.x
_RENAMED = {"standby": "autoscaling", "chunk_spec": "datum_set_spec"}
_DROPPED = {
    "enable_stats": "statistics are always kept now",
    "enableStats": "statistics are always kept now",
    "max_queue_size": "workers take one datum set at a time",
    "cache_size": "there is no such cache",
    "hashtree_spec": "there are no hashtrees",
}


def translate(text: str) -> tuple[str, list[str]]:
    """A specification written for Pachyderm 1.x as a 2.x one, with a warning for each thing translated;
    anything else unchanged.

    Projects came with 2.4: a specification that names its pipeline's project is a 2.x one and is left to the parser.
    """
    try:
        spec = json.loads(text)
    except (ValueError, RecursionError):
        return text, []
    if not isinstance(spec, dict) or not isinstance(spec.get("pipeline"), dict) or spec["pipeline"].get("project"):
        return text, []
    warnings: list[str] = []
    for old, new in _RENAMED.items():
        if old in spec:
            spec[new] = spec.pop(old)
            warnings.append(f"`{old}` is Pachyderm 1.x's word for `{new}`: translated")
    for old, why in _DROPPED.items():
        if old in spec:
            del spec[old]
            warnings.append(f"`{old}` is a setting of Pachyderm 1.x: dropped ({why})")
    if isinstance(spec.get("input"), dict):
        spec["input"] = _translate_input(spec["input"], warnings)
    return (json.dumps(spec, ensure_ascii=False), warnings) if warnings else (text, [])


def _translate_input(document: Any, warnings: list[str]) -> Any:
    if not isinstance(document, dict):
        return document
    found = {}
    for key, value in document.items():
        if key == "atom":
            warnings.append("input `atom` is Pachyderm 1.x's word for `pfs`: translated")
            key = "pfs"
            if isinstance(value, dict) and value.pop("from_commit", None):
                warnings.append("`from_commit` of an atom input has no counterpart: dropped")
        if key in inputs.LISTS and isinstance(value, list):
            value = [_translate_input(arm, warnings) for arm in value]
        found[key] = value
    return found


# ---------------------------------------------------------------- what is refused about the whole
def check_name(project: str, name: str) -> None:
    """Refuse a name that cannot be a pipeline's (the first part of the checks; `describe` does the rest)."""
    if not name:
        raise PachydermError("invalid pipeline spec: request.Pipeline.Name cannot be empty")
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", name):
        raise PachydermError(
            f"invalid pipeline name: name ({name}) invalid: only alphanumeric characters, underscores, and dashes "
            "are allowed"
        )
    length = len(name)
    if length > LONGEST_NAME:
        raise PachydermError(
            f'pipeline name "{name}" is {length - LONGEST_NAME} characters longer than the {LONGEST_NAME} max'
        )
    kubernetes = f"{project}-{name}-v99".lower().replace("_", "-")
    if len(kubernetes) > LONGEST_KUBERNETES_NAME:
        over = len(kubernetes) - LONGEST_KUBERNETES_NAME
        raise PachydermError(
            f'Kubernetes name "{kubernetes}" is {over} characters longer than the {LONGEST_KUBERNETES_NAME} max'
        )


_DETAILS = [
    "transform",
    "parallelismSpec",
    "egress",
    "outputBranch",
    "resourceRequests",
    "resourceLimits",
    "sidecarResourceLimits",
    "sidecarResourceRequests",
    "input",
    "description",
    "service",
    "spout",
    "datumSetSpec",
    "datumTimeout",
    "jobTimeout",
    "datumTries",
    "schedulingSpec",
    "podSpec",
    "podPatch",
    "s3Out",
    "metadata",
    "reprocessSpec",
    "autoscaling",
    "tolerations",
    "determined",
    "maximumExpectedUptime",
]


def describe(request: Document, now: str, check_cron: Callable[[str], Any]) -> Document:
    """PipelineInfo.Details of a request, input defaults filled in and the whole checked; without salt and times.

    `now` is an RFC 3339 time; `check_cron` raises on a bad schedule.
    """
    project, name = request["pipeline"]["project"]["name"], request["pipeline"]["name"]
    check_name(project, name)
    spout, service = request.get("spout"), request.get("service")
    if request.get("s3Out") and (spout is not None or service is not None):
        raise PachydermError("s3 output is not supported in spouts or services")
    if "transform" not in request:
        raise PachydermError("pipeline must specify a transform")
    if spout is not None and request.get("autoscaling"):
        raise PachydermError("autoscaling can't be used with spouts (spouts aren't triggered externally)")
    details: Document = copy.deepcopy({key: request[key] for key in _DETAILS if key in request})
    transform = details["transform"]
    transform["image"] = transform.get("image") or DEFAULT_IMAGE
    details["outputBranch"] = details.get("outputBranch") or "master"
    details["datumTries"] = details.get("datumTries") or "3"
    details["reprocessSpec"] = details.get("reprocessSpec") or "until_success"
    for each in (details.get("service"), details.get("spout", {}).get("service")):
        if each is not None:
            each["type"] = each.get("type") or "NodePort"
    inputs.fill_in(details.get("input"), name, now)
    if not name[0].isalnum():
        raise PachydermError("pipeline names must start with an alphanumeric character")
    inputs.validate(details.get("input"), project, check_cron)
    _check_kind(details)
    if not int(details.get("parallelismSpec", {}).get("constant", "0")):
        details.pop("parallelismSpec", None)
    return details


def _check_kind(details: Document) -> None:
    """Refuse what does not go with a service, a spout or an egress."""
    spout, service = details.get("spout"), details.get("service")
    database = details.get("egress", {}).get("sqlDatabase")
    if database is not None:
        if "secret" not in database:
            raise PachydermError("egress.sql_database.secret is required")
        if not database["secret"].get("name") or not database["secret"].get("key"):
            raise PachydermError("egress.sql_database.secret.name and egress.sql_database.secret.key are required")
    if service is not None and "parallelismSpec" in details and details["parallelismSpec"].get("constant", "0") != "1":
        raise PachydermError("services can only be run with a constant parallelism of 1")
    if spout is not None and spout.get("service") is None and details.get("input") is not None:
        raise PachydermError("spout pipelines (without a service) must not have an input")


def type_of(details: Document) -> int:
    """PipelineInfo.PipelineType: 1 transform, 2 spout, 3 service."""
    return SPOUT if "spout" in details else SERVICE if "service" in details else TRANSFORM


def parallelism_of(details: Document) -> int:
    """The number of workers that the specification asks for."""
    return int(details.get("parallelismSpec", {}).get("constant", "0")) or 1
