"""Files of a commit: list, glob, inspect, copy, delete. Putting, getting and comparing have rooms of their own."""

from __future__ import annotations

from workshop.pachctl import address
from workshop.pachctl.commands import Call, command, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.messages import Message, encode
from workshop.pachctl.output import Encoder
from workshop.pachctl.tables import size

API = "pfs_v2.API"
INFO = "pfs_v2.FileInfo"
HEADER = "SIZE   \tNAME"
_ANCESTRY = "A commit may be named by its ancestry: `foo@master^2` is the one two before the head. "


def row(info: Message) -> str:
    """A file as a line of the list: its size and its full path."""
    return f"{size(info.size_bytes)}\t{info.file.path}"


@command("list file")
def list_file(call: Call) -> None:
    file = address.file(call.project, call.args[0])
    infos = call.pachd.stream(f"{API}/ListFile", INFO, {"file": file})
    if call.raw:
        Encoder(call.output).write_all(infos)
        return
    require_raw(call)
    print(HEADER)
    for info in infos:
        print(row(info))


@command("glob file")
def glob_file(call: Call) -> None:
    file = address.file(call.project, call.args[0])
    infos = list(call.pachd.stream(f"{API}/GlobFile", INFO, {"commit": file["commit"], "pattern": file["path"]}))
    if require_raw(call):
        Encoder(call.output).write_all(infos)
        return
    print(HEADER)
    for info in infos:
        print(row(info))


@command("inspect file")
def inspect_file(call: Call) -> None:
    info = inspect(call, address.file(call.project, call.args[0]))
    if require_raw(call):
        Encoder(call.output).write(info)
        return
    print(f"Path: {info.file.path}")
    print(f"Datum: {info.file.datum}")
    print(f"Type: {'file' if info.file_type == 'FILE' else 'dir'}")
    print(f"Size: {size(info.size_bytes)}")


def inspect(call: Call, file: dict) -> Message:
    """What pachd knows of one file or directory."""
    return call.pachd.call(f"{API}/InspectFile", INFO, {"file": file})


@command("copy file")
def copy_file(call: Call) -> None:
    source = address.file(call.src_project or call.project, call.args[0])
    target = address.file(call.dest_project or call.project, call.args[1])
    copy = {"dst": target["path"], "src": source, "append": call.append}
    _modify(call, target["commit"], {"copy_file": copy}, source["commit"])


@command("delete file")
def delete_file(call: Call) -> None:
    file = address.file(call.project, call.args[0])
    path = file["path"].rstrip("/") + "/" if call.recursive else file["path"]
    _modify(call, file["commit"], {"delete_file": {"path": path}})


def _modify(call: Call, commit: dict, change: dict, source: dict | None = None) -> None:
    """One change of files, as a commit of its own or within an open one; SOURCE is the commit copied from."""
    of = "pfs_v2.ModifyFileRequest"
    messages = [encode(of, {"set_commit": commit}), encode(of, change)]
    call.pachd.upload(f"{API}/ModifyFile", EMPTY, iter(messages), about={"set_commit": commit, "source": source})
