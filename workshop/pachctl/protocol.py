"""Pachyderm's messages as pachctl 2.12 knows them: python_pachyderm's descriptors, brought up to date by a table.

python-pachyderm 7.6.0 carries an older snapshot of the protocol. What 2.12 added and this command reads or writes is
listed in `NEWER`, one message a line: `message NAME: field number type[ after FIELD], ...` declares one, `extend`
changes one (`- field` removes it). A type is a scalar, `map` (string to string), or a full name; `*` means
repeated, `|` that the field belongs to a oneof.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from typing import Any

NEWER = """
extend pfs_v2.RepoInfo: metadata 8 map
extend pfs_v2.BranchInfo: metadata 7 map, created_by 8 string, created_at 9 google.protobuf.Timestamp,
  updated_at 10 google.protobuf.Timestamp, branch_propagation_specs 11 *pfs_v2.BranchPropagationSpec
message pfs_v2.BranchPropagationSpec: branch 1 pfs_v2.Branch, propagation_spec 2 pfs_v2.PropagationSpec
message pfs_v2.PropagationSpec: never 1 bool
extend pfs_v2.CommitInfo: direct_subvenance 15 *pfs_v2.Commit after direct_provenance, metadata 14 map, created_by 16
  string,
  created_at 17 google.protobuf.Timestamp, updated_at 18 google.protobuf.Timestamp
extend pfs_v2.ProjectInfo: metadata 5 map, created_by 6 string
message pfs_v2.DeleteRepoResponse: deleted 1 bool
message pfs_v2.SquashCommitRequest: commit 1 pfs_v2.Commit, recursive 2 bool
message pfs_v2.DropCommitRequest: commit 1 pfs_v2.Commit, recursive 2 bool
message pfs_v2.InspectProjectV2Request: project 1 pfs_v2.Project
message pfs_v2.InspectProjectV2Response: info 1 pfs_v2.ProjectInfo, defaults_json 2 string
message pfs_v2.ProjectPicker: name 1 |string
message pfs_v2.RepoPicker.RepoName: project 1 pfs_v2.ProjectPicker, name 2 string, type 3 string
message pfs_v2.RepoPicker: name 1 |pfs_v2.RepoPicker.RepoName
message pfs_v2.BranchPicker.BranchName: repo 1 pfs_v2.RepoPicker, name 2 string
message pfs_v2.BranchPicker: name 1 |pfs_v2.BranchPicker.BranchName
message pfs_v2.CommitPicker: branch_head 1 |pfs_v2.BranchPicker, id 2 |pfs_v2.CommitPicker.CommitByGlobalId,
  ancestor 3 |pfs_v2.CommitPicker.AncestorOf, branch_root 4 |pfs_v2.CommitPicker.BranchRoot
message pfs_v2.CommitPicker.CommitByGlobalId: repo 1 pfs_v2.RepoPicker, id 2 string
message pfs_v2.CommitPicker.BranchRoot: offset 1 uint32, branch 2 pfs_v2.BranchPicker
message pfs_v2.CommitPicker.AncestorOf: offset 1 uint32, start 2 pfs_v2.CommitPicker
extend admin_v2.ClusterInfo: - version_warnings_ok, - version_warnings, warnings_ok 3 bool after deployment_id,
  warnings 4 *string after warnings_ok, paused 7 bool, web_resources 8 admin_v2.WebResource, metadata 9 map,
  pending_restart 10 bool, restart_info 11 string
message admin_v2.WebResource: archive_download_base_url 1 string, create_pipeline_request_json_schema_url 2 string
extend pps_v2.PFSInput: propagation_spec 15 pfs_v2.PropagationSpec, reference 16 bool
extend pps_v2.PipelineInfo: - details_json, user_spec_json 13 string, effective_spec_json 14 string, metadata 15 map
extend pps_v2.PipelineInfo.Details: updated_at 39 google.protobuf.Timestamp after created_at, created_by 40 string
  after updated_at,
  maximum_expected_uptime 37 google.protobuf.Duration, workers_started_at 38 google.protobuf.Timestamp
extend pps_v2.CreatePipelineRequest: - details_json, maximum_expected_uptime 39 google.protobuf.Duration
message pps_v2.CreatePipelineV2Request: create_pipeline_request_json 1 string, dry_run 2 bool, update 3 bool,
  reprocess 4 bool
message pps_v2.CreatePipelineV2Response: effective_create_pipeline_request_json 1 string
message pps_v2.RerunPipelineRequest: pipeline 1 pps_v2.Pipeline, reprocess 15 bool
extend pps_v2.DeletePipelineRequest: must_exist 5 bool
extend pps_v2.StopPipelineRequest: must_exist 2 bool
message pps_v2.CheckStatusRequest: all 1 |bool, project 2 |pfs_v2.Project
message pps_v2.CheckStatusResponse: project 1 pfs_v2.Project, pipeline 2 pps_v2.Pipeline, alerts 3 *string
extend pps_v2.ClusterDefaults: - details_json, - effective_details_json, create_pipeline_request 3
  pps_v2.CreatePipelineRequest
message pps_v2.ProjectDefaults: create_pipeline_request 1 pps_v2.CreatePipelineRequest
extend pps_v2.GetClusterDefaultsResponse: - cluster_defaults, cluster_defaults_json 2 string
extend pps_v2.SetClusterDefaultsRequest: - cluster_defaults, cluster_defaults_json 5 string
extend pps_v2.SetClusterDefaultsResponse: - effective_details_json
message pps_v2.GetProjectDefaultsRequest: project 1 pfs_v2.Project
message pps_v2.GetProjectDefaultsResponse: project_defaults_json 1 string, created_by 2 string,
  created_at 3 google.protobuf.Timestamp
message pps_v2.SetProjectDefaultsRequest: project 1 pfs_v2.Project, regenerate 2 bool, reprocess 3 bool, dry_run 4 bool,
  project_defaults_json 5 string
message pps_v2.SetProjectDefaultsResponse: affected_pipelines 1 *pps_v2.Pipeline
message pps_v2.PipelinePicker.PipelineName: project 1 pfs_v2.ProjectPicker, name 2 string
message pps_v2.PipelinePicker: name 1 |pps_v2.PipelinePicker.PipelineName
message pps_v2.CreatePipelineTransaction: create_pipeline_request 1 pps_v2.CreatePipelineRequest, user_json 2 string,
  effective_json 3 string, created_by 4 string
extend transaction_v2.TransactionRequest: - create_pipeline, create_pipeline_v2 11 pps_v2.CreatePipelineTransaction
message metadata.ClusterPicker:
message metadata.Edit.Replace: replacement 1 map
message metadata.Edit.AddKey: key 1 string, value 2 string
message metadata.Edit.EditKey: key 1 string, value 2 string
message metadata.Edit.DeleteKey: key 1 string
message metadata.Edit: project 1 |pfs_v2.ProjectPicker, commit 2 |pfs_v2.CommitPicker, branch 3 |pfs_v2.BranchPicker,
  repo 4 |pfs_v2.RepoPicker, cluster 5 |metadata.ClusterPicker, pipeline 6 |pps_v2.PipelinePicker,
  replace 10 |metadata.Edit.Replace, add_key 11 |metadata.Edit.AddKey, edit_key 12 |metadata.Edit.EditKey,
  delete_key 13 |metadata.Edit.DeleteKey
message metadata.EditMetadataRequest: edits 1 *metadata.Edit
message metadata.EditMetadataResponse:
message versionpb_v2.Version: major 1 uint32, minor 2 uint32, micro 3 uint32, additional 4 string, git_commit 5 string,
  git_tree_modified 6 string, build_date 7 string, go_version 8 string, platform 9 string
message admin_v2.RestartPachydermRequest: reason 1 string
"""

_MODULES = {
    "pfs_v2": "python_pachyderm.proto.v2.pfs.pfs_pb2",
    "pps_v2": "python_pachyderm.proto.v2.pps.pps_pb2",
    "admin_v2": "python_pachyderm.proto.v2.admin.admin_pb2",
    "auth_v2": "python_pachyderm.proto.v2.auth.auth_pb2",
    "identity_v2": "python_pachyderm.proto.v2.identity.identity_pb2",
    "enterprise_v2": "python_pachyderm.proto.v2.enterprise.enterprise_pb2",
    "taskapi": "python_pachyderm.proto.v2.task.task_pb2",
    "transaction_v2": "python_pachyderm.proto.v2.transaction.transaction_pb2",
}
# The kinds of google.protobuf.descriptor.FieldDescriptor, by number.
_KINDS = {
    1: "double",
    2: "float",
    3: "int64",
    4: "uint64",
    5: "int32",
    6: "fixed64",
    7: "fixed32",
    8: "bool",
    9: "string",
    11: "message",
    12: "bytes",
    13: "uint32",
    14: "enum",
    15: "sfixed32",
    16: "sfixed64",
    17: "sint32",
    18: "sint64",
}
_SCALARS = set(_KINDS.values()) - {"message", "enum"}


@dataclass(frozen=True)
class Field:
    """One field of a message. `type` is the full name of its message or enum; a map's values are of `kind` and
    `type`.
    """

    name: str
    number: int
    kind: str
    type: str = ""
    repeated: bool = False
    map: bool = False
    oneof: str = ""
    enum: dict[int, str] = field(default_factory=dict, compare=False, hash=False)

    @cached_property
    def json_name(self) -> str:
        """The field's name in protobuf's JSON: lower camel case."""
        return re.sub(r"_(\w)", lambda match: match.group(1).upper(), self.name)


class Schema:
    """The fields of one message, in the order in which the protocol declares them."""

    def __init__(self, name: str, fields: list[Field]):
        self.name = name
        self.fields = fields
        self.by_name = {field.name: field for field in fields}
        self.by_number = {field.number: field for field in fields}

    @cached_property
    def by_any_name(self) -> dict[str, Field]:
        return {field.json_name: field for field in self.fields} | self.by_name


@lru_cache(maxsize=1)
def _newer() -> dict[str, tuple[bool, list[str]]]:
    """message name -> (is it an extension, its items)."""
    table = {}
    for line in re.sub(r"\n +", " ", NEWER).strip().splitlines():
        verb, name, items = re.match(r"(\w+) ([\w.]+):(.*)", line).groups()  # type: ignore[union-attr]
        table[name] = (verb == "extend", [item.strip() for item in items.split(",") if item.strip()])
    return table


def _generated(name: str) -> Any:
    """The descriptor of one of python_pachyderm's messages."""
    package, *path = name.split(".")
    module = importlib.import_module(_MODULES[package])
    descriptor = module.DESCRIPTOR.message_types_by_name[path[0]]
    for part in path[1:]:
        descriptor = descriptor.nested_types_by_name[part]
    return descriptor


def _field(of: Any) -> Field:
    """A field from python_pachyderm's own description of it."""
    repeated = of.label == of.LABEL_REPEATED
    oneof = of.containing_oneof.name if of.containing_oneof is not None else ""
    value = of
    is_map = bool(of.message_type is not None and repeated and of.message_type.GetOptions().map_entry)
    if is_map:
        value = of.message_type.fields_by_name["value"]
    kind = _KINDS[value.type]
    enum = {item.number: item.name for item in value.enum_type.values} if kind == "enum" else {}
    type_name = value.message_type.full_name if kind == "message" else value.enum_type.full_name if enum else ""
    return Field(of.name, of.number, kind, type_name, repeated and not is_map, is_map, oneof, enum)


def _declared(item: str) -> tuple[Field, str]:
    """A field from the table of newer ones, and the field that it follows ("" = the last)."""
    name, number, kind, *rest = item.split()
    after = rest[1] if rest else ""
    repeated, oneof, kind = kind.startswith("*"), "one" if kind.startswith("|") else "", kind.lstrip("*|")
    if kind == "map":
        return Field(name, int(number), "string", map=True), after
    if kind in _SCALARS:
        return Field(name, int(number), kind, repeated=repeated, oneof=oneof), after
    return Field(name, int(number), "message", kind, repeated, oneof=oneof), after


@cache
def schema(name: str) -> Schema:
    """The schema of a message by its full name ("pfs_v2.RepoInfo", "google.protobuf.Timestamp")."""
    if name in _KNOWN:
        return _KNOWN[name]
    extends, items = _newer().get(name, (True, []))
    fields = [_field(of) for of in _generated(name).fields] if extends else []
    for item in items:
        if item.startswith("- "):
            fields = [field for field in fields if field.name != item[2:]]
            continue
        new, after = _declared(item)
        place = next((index + 1 for index, field in enumerate(fields) if field.name == after), len(fields))
        fields.insert(place, new)
    return Schema(name, fields)


def _wrapper(name: str, kind: str) -> Schema:
    return Schema(f"google.protobuf.{name}", [Field("value", 1, kind)])


_CONTEXT = "config_v2.Context"
_SOURCES = {0: "NONE", 1: "CONFIG_V1", 2: "HUB", 3: "IMPORTED"}
_INSTANT = [Field("seconds", 1, "int64"), Field("nanos", 2, "int32")]
_KNOWN = {
    made.name: made
    for made in [
        Schema("google.protobuf.Empty", []),
        Schema("google.protobuf.Timestamp", _INSTANT),
        Schema("google.protobuf.Duration", _INSTANT),
        _wrapper("BytesValue", "bytes"),
        _wrapper("StringValue", "string"),
        _wrapper("BoolValue", "bool"),
        _wrapper("Int64Value", "int64"),
        _wrapper("UInt64Value", "uint64"),
        _wrapper("Int32Value", "int32"),
        # pachctl's own configuration file, kept in protobuf's JSON
        Schema(
            _CONTEXT,
            [Field("source", 1, "enum", enum=_SOURCES)]
            + [
                Field(name, number, "string")
                for number, name in enumerate(
                    [
                        "pachd_address",
                        "server_cas",
                        "session_token",
                        "active_transaction",
                        "cluster_name",
                        "auth_info",
                        "namespace",
                    ],
                    2,
                )
            ]
            + [
                Field("port_forwarders", 9, "uint32", map=True),
                Field("cluster_deployment_id", 10, "string"),
                Field("enterprise_server", 11, "bool"),
                Field("project", 12, "string"),
            ],
        ),
        Schema(
            "config_v2.ConfigV2",
            [
                Field("active_context", 1, "string"),
                Field("active_enterprise_context", 2, "string"),
                Field("contexts", 3, "message", _CONTEXT, map=True),
                Field("metrics", 4, "bool"),
                Field("max_shell_completions", 5, "int64"),
            ],
        ),
        Schema(
            "config_v2.ConfigV1",
            [
                Field(name, number, "string")
                for number, name in enumerate(["pachd_address", "server_cas", "session_token", "active_transaction"], 1)
            ],
        ),
        Schema(
            "config_v2.Config",
            [
                Field("user_id", 1, "string"),
                Field("v1", 2, "message", "config_v2.ConfigV1"),
                Field("v2", 3, "message", "config_v2.ConfigV2"),
            ],
        ),
    ]
}
