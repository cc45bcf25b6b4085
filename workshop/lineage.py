"""Provenance as a tree: what a commit or a file was made from, down to the bytes that a person put there.

    inference@3f6e…:/test1.csv  85B    inference v2, datum 52c0…
    ├─ attributes@90ab…:/test1.csv  96B    put by hand
    └─ train@77d1…:/  2.716KiB  model.pt    train v1, datum 0b1c…
       └─ ...

A commit's parents are its direct provenance. A file's are the inputs of the datum that wrote it, which is narrower: of
many attributes files, the one that was read. Downstream, the same edges are followed the other way.
Every answer comes from pachd: CommitInfo.direct_provenance, File.datum, InspectDatum, and the pipeline's versions.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workshop import words
from workshop.errors import NotTrue, WrongUsage

if TYPE_CHECKING:
    from python_pachyderm import Client

ADDRESS = re.compile(r"(?P<repo>[\w-]+)(?:@(?P<commit>[\w^~.-]+))?(?::(?P<path>/?.*))?")


@dataclass(frozen=True)
class Address:
    """A commit, or with a path a file or folder in it."""

    repo: str
    commit: str
    path: str | None = None

    def __str__(self) -> str:
        return f"{self.repo}@{self.commit}" + (f":{self.path}" if self.path is not None else "")


@dataclass
class Spec:
    """The version of a pipeline that made a commit."""

    pipeline: str
    version: int
    commit: str
    workers: int = 1
    image: str = ""
    command: list[str] = field(default_factory=list)
    stdin: list[str] = field(default_factory=list)


@dataclass
class Node:
    """A commit or a file, with what it was made from (or, downstream, what was made from it)."""

    address: Address
    size: int
    files: list[str]
    finished: bool
    spec: Spec | None = None
    datum: str | None = None
    hash: str | None = None
    related: list["Node"] = field(default_factory=list)


def parse_address(text: str) -> Address:
    """`repo@branch`, `repo@id:/path` …; a repo alone means its master branch."""
    match = ADDRESS.fullmatch(text)
    if match is None:
        raise WrongUsage(
            f"{text!r} names no commit or file", "for example inference@master or inference@master:/test1.csv"
        )
    path = match["path"]
    return Address(match["repo"], match["commit"] or "master", None if path is None else "/" + path.lstrip("/"))


def trace(client: "Client", address: Address, downstream: bool = False) -> Node:
    """The tree of what made a commit or file, or of what was made from it."""
    tracer = _Tracer(client)
    info = tracer.commit(address.repo, address.commit)
    exact = Address(address.repo, info.commit.id, address.path)
    return tracer.down(exact) if downstream else tracer.up(exact)


class _Tracer:
    """Asks pachd, each thing once."""

    def __init__(self, client: "Client") -> None:
        self.client = client
        self.commits: dict[tuple[str, str], Any] = {}
        self.datums: dict[tuple[str, str, str], Any] = {}
        self.versions: dict[tuple[str, str], Spec] | None = None
        self.all_commits: list[Any] | None = None
        self.drawn: dict[Address, Node] = {}

    def commit(self, repo: str, name: str) -> Any:
        if (repo, name) not in self.commits:
            (info,) = self.client.inspect_commit((repo, name))
            self.commits[repo, name] = self.commits[repo, info.commit.id] = info
        return self.commits[repo, name]

    def spec(self, info: Any) -> Spec | None:
        """The pipeline version in whose direct provenance the commit stands; None for a commit put by hand."""
        specs = [commit for commit in info.direct_provenance if _repo(commit).type == "spec"]
        if not specs:
            return None
        if self.versions is None:
            pipelines = self.client.list_pipeline(history=-1, details=True)
            self.versions = {(p.pipeline.name, p.spec_commit.id): _spec(p) for p in pipelines}
        name, identifier = _repo(specs[0]).name, specs[0].id
        return self.versions.get((name, identifier)) or Spec(name, 0, identifier)

    def node(self, address: Address) -> Node:
        """The commit, file or folder itself, without relatives."""
        info = self.commit(address.repo, address.commit)
        path = address.path or "/"
        try:
            files = list(self._files(address.repo, address.commit, path))
        except Exception as error:
            if not hasattr(error, "details"):
                raise
            raise NotTrue(f"{address}: {error.details()}") from None
        node = Node(
            Address(address.repo, info.commit.id, address.path),
            sum(file.size_bytes for file in files),
            [file.file.path for file in files],
            info.HasField("finished"),
            self.spec(info),
        )
        if address.path is not None and [file.file.path for file in files] == [address.path]:
            node.datum, node.hash = files[0].file.datum or None, files[0].hash.hex()
        return node

    def up(self, address: Address) -> Node:
        """The node with its parents; two ways to the same one lead to one node."""
        if address in self.drawn:
            return self.drawn[address]
        node = self.drawn[address] = self.node(address)
        if address.path is None:
            parents = self.commit(address.repo, address.commit).direct_provenance
            addresses = [Address(_repo(c).name, c.id) for c in parents if _repo(c).type == "user"]
        else:
            addresses = self._inputs(address) if node.spec else []
        node.related = [self.up(parent) for parent in sorted(addresses, key=str)]
        return node

    def down(self, address: Address) -> Node:
        """The node with its children, each made once."""
        if address in self.drawn:
            return self.drawn[address]
        node = self.drawn[address] = self.node(address)
        for info in self._children(address):
            child = Address(_repo(info.commit).name, info.commit.id)
            if address.path is None:
                node.related.append(self.down(child))
            else:
                node.related += [self.down(written) for written in self._outputs(address, child)]
        return node

    def _files(self, repo: str, commit: str, path: str) -> Iterator[Any]:
        """FileInfos of a file, or of all files below a folder."""
        from python_pachyderm.proto.v2.pfs.pfs_pb2 import FileType

        for info in self.client.walk_file((repo, commit), path):
            if info.file_type == FileType.FILE:
                yield info

    def _inputs(self, address: Address) -> list[Address]:
        """What the datums read that wrote this file, or the files of this folder; no input twice."""
        assert address.path is not None
        found: dict[Address, None] = {}
        for info in self._files(address.repo, address.commit, address.path):
            if not info.file.datum:
                continue
            for read in self.datum(address.repo, address.commit, info.file.datum).data:
                commit = read.file.commit
                found[Address(_repo(commit).name, commit.id, read.file.path)] = None
        return list(found)

    def datum(self, pipeline: str, job: str, datum: str) -> Any:
        if (pipeline, job, datum) not in self.datums:
            self.datums[pipeline, job, datum] = self.client.inspect_datum(pipeline, job, datum)
        return self.datums[pipeline, job, datum]

    def _children(self, address: Address) -> list[Any]:
        """The commits that have this one as direct provenance, oldest first."""
        if self.all_commits is None:
            repos = [info.repo.name for info in self.client.list_repo()]
            commits = [info for repo in repos for info in self.client.list_commit(repo, all=True)]
            self.all_commits = sorted(commits, key=lambda info: info.started.ToDatetime())
        return [
            info
            for info in self.all_commits
            if any(
                c.id == address.commit and _repo(c).name == address.repo and _repo(c).type == "user"
                for c in info.direct_provenance
            )
        ]

    def _outputs(self, address: Address, child: Address) -> list[Address]:
        """The files of a commit whose datum read this file or folder, or something in or above it."""
        assert address.path is not None
        readers = {
            datum.datum.id
            for datum in self.client.list_datum(child.repo, child.commit)
            if any(
                _repo(read.file.commit).name == address.repo and _overlap(read.file.path, address.path)
                for read in datum.data
            )
        }
        files = self._files(child.repo, child.commit, "/")
        return [Address(child.repo, child.commit, info.file.path) for info in files if info.file.datum in readers]


def _repo(commit: Any) -> Any:
    """The repo of a commit message, which newer servers name beside the branch and older ones inside it."""
    return commit.repo if commit.HasField("repo") else commit.branch.repo


def _overlap(one: str, other: str) -> bool:
    one, other = one.rstrip("/") + "/", other.rstrip("/") + "/"
    return one.startswith(other) or other.startswith(one)


def _spec(pipeline: Any) -> Spec:
    transform = pipeline.details.transform
    workers = pipeline.details.parallelism_spec.constant or pipeline.parallelism or 1
    return Spec(
        pipeline.pipeline.name,
        pipeline.version,
        pipeline.spec_commit.id,
        workers,
        transform.image,
        list(transform.cmd),
        list(transform.stdin),
    )


def document(node: Node) -> dict[str, Any]:
    """The tree as plain data, for --json."""
    spec = node.spec
    return {
        "repo": node.address.repo,
        "commit": node.address.commit,
        "path": node.address.path,
        "bytes": node.size,
        "files": node.files,
        "finished": node.finished,
        "hash": node.hash,
        "datum": node.datum,
        "spec": None if spec is None else vars(spec),
        "related": [document(inner) for inner in node.related],
    }


def text(node: Node) -> str:
    """The tree as lines; what is below a node that occurs again is drawn the first time only."""
    return "\n".join(_lines(node, "", "", set()))


def _lines(node: Node, first: str, rest: str, drawn: set[Address]) -> Iterator[str]:
    again = node.address in drawn and bool(node.related)
    drawn.add(node.address)
    yield f"{first}{node.address}   {'see above' if again else _about(node)}"
    for index, inner in enumerate([] if again else node.related):
        last = index == len(node.related) - 1
        yield from _lines(inner, f"{rest}{'└─ ' if last else '├─ '}", f"{rest}{'   ' if last else '│  '}", drawn)


def _about(node: Node) -> str:
    """Size, files and maker of a node, `10.82KiB   3 files   by pre_process v1`."""
    names = [file.rsplit("/", 1)[-1] for file in node.files]
    alone = node.address.path is not None and node.files == [node.address.path]
    listed = [] if alone else [" ".join(names) if len(names) <= 2 else words.count(len(names), "file")]
    if node.spec is None:
        maker = "put by hand"
    else:
        maker = f"by {node.spec.pipeline} v{node.spec.version} ({words.count(node.spec.workers, 'worker')})"
    state = [] if node.finished else ["not finished yet"]
    return "   ".join([words.size(node.size), *listed, maker, *state])
