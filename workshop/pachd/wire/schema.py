"""The messages and services of Pachyderm 2.12, built at start-up in a descriptor pool of their own.

python-pachyderm 7.6.0's generated code is an older snapshot of the protocol, so its descriptors are copied here and
brought up to 2.12
with the table in `differences`. Its own classes are left alone: the wire format is what the two have in common.

    from workshop.pachd.wire.schema import pfs_v2
    pfs_v2.CommitInfo(commit=...)           # a message class;  pfs_v2.FINISHED is an enum value of the package
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from workshop.pachd.wire.differences import DIFFERENCES

_WELL_KNOWN = ("any", "duration", "empty", "struct", "timestamp", "wrappers")
_GENERATED = (  # in order of dependency
    "task.task",
    "auth.auth",
    "version.versionpb.version",
    "pfs.pfs",
    "pps.pps",
    "enterprise.enterprise",
    "license.license",
    "identity.identity",
    "admin.admin",
    "transaction.transaction",
    "debug.debug",
    "worker.worker",
    "proxy.proxy",
)


@dataclass(frozen=True)
class Method:
    """One RPC of the protocol. The types are message names; they need not be known (raw bytes then)."""

    service: str
    name: str
    request: str
    answer: str
    streams_in: bool
    streams_out: bool

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.name}"


class _Builder:
    """Copies the generated descriptors and applies the table of differences to them."""

    def __init__(self) -> None:
        self.files: list[descriptor_pb2.FileDescriptorProto] = []
        self.messages: dict[str, descriptor_pb2.DescriptorProto] = {}
        self.methods: dict[str, Method] = {}
        for name in _WELL_KNOWN:
            self._copy(f"google.protobuf.{name}_pb2")
        for name in _GENERATED:
            self._copy(f"python_pachyderm.proto.v2.{name}_pb2")
        self.of_package = {file.package: file for file in self.files if not file.package.startswith("google")}
        lines = re.sub(r"\n +", " ", DIFFERENCES).strip().splitlines()
        for line in lines:  # every message is declared before any field refers to it
            kind, name = line.split(" ", 1)[0], line.split(" ", 1)[-1].split(":")[0]
            if kind == "message":
                self._declare(name)
        for line in filter(None, lines):
            self._apply(line)

    def _copy(self, module: str) -> None:
        file = descriptor_pb2.FileDescriptorProto()
        file.ParseFromString(importlib.import_module(module).DESCRIPTOR.serialized_pb)
        self.files.append(file)
        for message in file.message_type:
            self._index(f"{file.package}.{message.name}", message)
        for service in file.service:
            for rpc in service.method:
                method = Method(
                    f"{file.package}.{service.name}",
                    rpc.name,
                    rpc.input_type[1:],
                    rpc.output_type[1:],
                    rpc.client_streaming,
                    rpc.server_streaming,
                )
                self.methods[method.path] = method
        del file.service[:]

    def _index(self, name: str, message: descriptor_pb2.DescriptorProto) -> None:
        self.messages[name] = message
        for nested in message.nested_type:
            self._index(f"{name}.{nested.name}", nested)

    def _container(self, name: str) -> Any:
        """The message or file that a full name lies in; new packages get a file of their own."""
        outer = name.rsplit(".", 1)[0]
        if outer in self.messages:
            return self.messages[outer]
        if outer not in self.of_package:
            file = descriptor_pb2.FileDescriptorProto(name=f"pachyderm/{outer}.proto", package=outer, syntax="proto3")
            file.dependency.extend(other.name for other in self.files)
            self.files.append(file)
            self.of_package[outer] = file
        return self.of_package[outer]

    def _declare(self, name: str) -> None:
        container = self._container(name)
        nested = (
            container.nested_type if isinstance(container, descriptor_pb2.DescriptorProto) else container.message_type
        )
        self.messages[name] = nested.add(name=name.rsplit(".", 1)[1])

    def _apply(self, line: str) -> None:
        removed = line.startswith("- ")
        kind, rest = line.removeprefix("- ").split(" ", 1)
        name, _, body = (part.strip() for part in rest.partition(":"))
        if kind == "rpc":
            self._method(name, body, removed)
        elif kind == "enum":
            container = self._container(name)
            enum = container.enum_type.add(name=name.rsplit(".", 1)[1])
            for value in body.split(", "):
                label, number = value.split()
                enum.value.add(name=label, number=int(number))
        else:
            for field in filter(None, body.split(", ")):
                self._field(self.messages[name], name, field)

    def _method(self, path: str, body: str, removed: bool) -> None:
        if removed:
            del self.methods[f"/{path}"]
            return
        service, name = path.split("/")
        request, answer = body.split(" -> ")
        self.methods[f"/{path}"] = Method(
            service,
            name,
            request.removeprefix("stream "),
            answer.removeprefix("stream "),
            request.startswith("stream "),
            answer.startswith("stream "),
        )

    def _field(self, message: descriptor_pb2.DescriptorProto, owner: str, text: str) -> None:
        if text.startswith("- "):
            kept = [field for field in message.field if field.name != text[2:]]
            del message.field[:]
            message.field.extend(kept)
            return
        match = re.fullmatch(r"(\w+) (\d+) (\*?)(enum )?([\w.]+)(?: \((\w+)\))?", text)
        assert match, text
        name, number, repeated, enum, kind, oneof = match.groups()
        field = message.field.add(name=name, number=int(number), json_name=_camel(name))
        field.label = Field.LABEL_REPEATED if repeated or kind == "map" else Field.LABEL_OPTIONAL
        if kind == "map":
            entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
            entry.options.map_entry = True
            for number_, part in ((1, "key"), (2, "value")):
                entry.field.add(
                    name=part, number=number_, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL, json_name=part
                )
            field.type, field.type_name = Field.TYPE_MESSAGE, f".{owner}.{entry.name}"
        elif "." in kind:
            field.type, field.type_name = (Field.TYPE_ENUM if enum else Field.TYPE_MESSAGE), f".{kind}"
        else:
            field.type = Field.Type.Value(f"TYPE_{kind.upper()}")
        if oneof:
            names = [one.name for one in message.oneof_decl]
            if oneof not in names:
                message.oneof_decl.add(name=oneof)
                names.append(oneof)
            field.oneof_index = names.index(oneof)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


class Package:
    """The message classes and enum values of one protobuf package, as attributes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        found: Any
        try:
            found = message_class(f"{self._name}.{name}")
        except KeyError:
            found = _enum_value(self._name, name)
        setattr(self, name, found)
        return found


_builder = _Builder()
METHODS: dict[str, Method] = _builder.methods
_pool = descriptor_pool.DescriptorPool()
for _file in _builder.files:
    _pool.Add(_file)
_factory = message_factory.MessageFactory(_pool)
_enums = {file.package: [enum.name for enum in file.enum_type] for file in _builder.files}
del _builder


def message_class(full_name: str) -> Any:
    """The class of a message by its full name, e.g. `pfs_v2.CommitInfo`. KeyError when there is none."""
    return _factory.GetPrototype(_pool.FindMessageTypeByName(full_name))


def enum_type(full_name: str) -> Any:
    """The descriptor of an enum by its full name, e.g. `pps_v2.JobState`."""
    return _pool.FindEnumTypeByName(full_name)


def _enum_value(package: str, name: str) -> int:
    for enum in _enums.get(package, []):
        values = _pool.FindEnumTypeByName(f"{package}.{enum}").values_by_name
        if name in values:
            return values[name].number
    raise AttributeError(f"the protocol has no {package}.{name}")


admin_v2 = Package("admin_v2")
auth_v2 = Package("auth_v2")
debug_v2 = Package("debug_v2")
enterprise_v2 = Package("enterprise_v2")
google = Package("google.protobuf")
identity_v2 = Package("identity_v2")
license_v2 = Package("license_v2")
logs = Package("logs")
metadata = Package("metadata")
pfs_v2 = Package("pfs_v2")
pps_v2 = Package("pps_v2")
transaction_v2 = Package("transaction_v2")
versionpb_v2 = Package("versionpb_v2")
worker = Package("pachyderm.worker")
