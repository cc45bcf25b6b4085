"""Files of a commit: list, glob, inspect, copy, delete. Putting, getting and comparing have rooms of their own."""

from __future__ import annotations

from workshop.pachctl import address
from workshop.pachctl.commands import FULL_TIMESTAMPS, RAW, Call, Flag, command, group, project_flag, require_raw
from workshop.pachctl.connection import EMPTY
from workshop.pachctl.messages import Message, encode
from workshop.pachctl.output import Encoder
from workshop.pachctl.tables import size

API = "pfs_v2.API"
INFO = "pfs_v2.FileInfo"
HEADER = "SIZE   \tNAME"
_ANCESTRY = "A commit may be named by its ancestry: `foo@master^2` is the one two before the head. "

group(
    "file",
    "Docs for files.",
    "Files are the lowest-level data objects in Pachyderm and can be of any type (e.g. csv, binary, images, etc) or "
    "size. \n"
    "Files can be written to started--but not yet finished--commits with the `pachctl put file` command. To read a "
    "file from a "
    "commit, Files use the `pachctl get file` command.",
    aliases=("files",),
    associated=" file$",
)


def row(info: Message) -> str:
    """A file as a line of the list: its size and its full path."""
    return f"{size(info.size_bytes)}\t{info.file.path}"


@command(
    "list file",
    "Return the files in a directory.",
    1,
    "file <repo>@<branch-or-commit>[:<path/in/pfs>]",
    (*RAW, FULL_TIMESTAMPS, project_flag("Specify the project (by name) where repo is located.")),
    long=f"This command returns the files in a directory. {_ANCESTRY}",
    example="\t- {{alias}} foo@master \n\t- {{alias}} foo@master:dir \n\t- {{alias}} foo@master^ \n",
)
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


@command(
    "glob file",
    "Return files that match a glob pattern in a commit.",
    1,
    'file "<repo>@<branch-or-commit>:<pattern>"',
    (*RAW, FULL_TIMESTAMPS, project_flag("Specify the project (by name) where the matching files are.")),
    long="This command returns the files of a commit that match a glob pattern.",
    example='\t- {{alias}} "foo@master:A*"\n\t- {{alias}} "foo@master:data/*"',
)
def glob_file(call: Call) -> None:
    file = address.file(call.project, call.args[0])
    infos = list(call.pachd.stream(f"{API}/GlobFile", INFO, {"commit": file["commit"], "pattern": file["path"]}))
    if require_raw(call):
        Encoder(call.output).write_all(infos)
        return
    print(HEADER)
    for info in infos:
        print(row(info))


@command(
    "inspect file",
    "Return info about a file.",
    1,
    "file <repo>@<branch-or-commit>:<path/in/pfs>",
    (*RAW, project_flag("Specify the project (by name) where the file's repo is located.")),
    long=f"This command returns info about a file. {_ANCESTRY}",
    example="\t- {{alias}} repo@master:/logs/log.txt \n",
)
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


@command(
    "copy file",
    "Copy files between pfs paths.",
    2,
    "file <src-repo>@<src-branch-or-commit>:<src-path> <dst-repo>@<dst-branch-or-commit>:<dst-path>",
    (
        Flag("append", "Append to the existing content of the file.", "bool", "a"),
        project_flag("Specify the project (by name) where both source and destination repos are located."),
        Flag("src-project", "Specify the project of the source repo; this overrides --project."),
        Flag("dest-project", "Specify the project of the destination repo; this overrides --project."),
    ),
    long="This command copies files between pfs paths, in one project or from one project to another.",
    example="\t- {{alias}} foo@master:/file bar@master:/file \n",
)
def copy_file(call: Call) -> None:
    source = address.file(call.src_project or call.project, call.args[0])
    target = address.file(call.dest_project or call.project, call.args[1])
    copy = {"dst": target["path"], "src": source, "append": call.append}
    _modify(call, target["commit"], {"copy_file": copy})


@command(
    "delete file",
    "Delete a file.",
    1,
    "file <repo>@<branch-or-commit>:<path/in/pfs>",
    (
        Flag("recursive", "Recursively delete the files in a directory.", "bool", "r"),
        project_flag("Specify the project (by name) where the file's repo is located."),
    ),
    long="This command deletes a file.",
    example="\t- {{alias}} foo@bar:image.png \n\t- {{alias}} -r foo@master:/images \n",
)
def delete_file(call: Call) -> None:
    file = address.file(call.project, call.args[0])
    path = file["path"].rstrip("/") + "/" if call.recursive else file["path"]
    _modify(call, file["commit"], {"delete_file": {"path": path}})


def _modify(call: Call, commit: dict, change: dict) -> None:
    """One change of files, as a commit of its own or within an open one."""
    of = "pfs_v2.ModifyFileRequest"
    messages = [encode(of, {"set_commit": commit}), encode(of, change)]
    call.pachd.upload(f"{API}/ModifyFile", EMPTY, iter(messages), about={"set_commit": commit})
