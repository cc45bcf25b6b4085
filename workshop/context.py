"""Which pachd to talk to, and the one client that talks to it.

In this order: `--context NAME`, a context of pachctl's own config file ($PACH_CONFIG or ~/.pachyderm/config.json);
$PACHD_ADDRESS; otherwise the embedded pachd of this checkout, whose address lies in its state folder.
"""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from workshop.errors import NoPachd, WrongUsage

if TYPE_CHECKING:
    from python_pachyderm import Client

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_PORT = 30650


@dataclass(frozen=True)
class Target:
    """An address to connect to, and where it was found."""

    host: str
    port: int
    source: str
    tls: bool = False
    token: str | None = None
    certificates: bytes | None = None
    embedded: bool = False

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def checkout() -> Path:
    """The folder that holds README.md, specs/ and data/: the nearest one upwards, or that of this program."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "specs").is_dir() and (folder / "README.md").is_file() and (folder / "pach-pytorch").is_dir():
            return folder
    return ROOT


def state_folder() -> Path:
    """Where the embedded pachd keeps its data: $WORKSHOP_STATE, or .workshop/ in the checkout."""
    return Path(os.environ.get("WORKSHOP_STATE") or checkout() / ".workshop").absolute()


def parse_address(text: str, source: str) -> Target:
    """`host:port`, or with grpc:// or grpcs:// before it, as pachctl accepts them."""
    parts = urlsplit(text if "://" in text else f"grpc://{text}")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        port = 0
    if parts.scheme not in {"grpc", "grpcs", "http", "https"} or not parts.hostname or not port:
        raise WrongUsage(
            f"{source}: {text!r} is not an address", "write host:port, grpc://host:port or grpcs://host:port"
        )
    return Target(parts.hostname, port, source, tls=parts.scheme in {"grpcs", "https"})


def config_file() -> Path:
    return Path(os.environ.get("PACH_CONFIG") or Path.home() / ".pachyderm" / "config.json")


def from_config(name: str) -> Target:
    """The pachd of a context in pachctl's config file."""
    path = config_file()
    try:
        contexts = json.loads(path.read_text(encoding="utf-8"))["v2"]["contexts"]
    except OSError as error:
        raise WrongUsage(
            f"--context {name}: {path} cannot be read: {error.strerror}", "pachctl writes it: pachctl connect ADDRESS"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise WrongUsage(f"--context {name}: {path} is not a pachctl 2.x config file") from None
    if name not in contexts:
        raise WrongUsage(
            f"--context {name}: there is no such context in {path}", f"it has: {', '.join(contexts) or 'none'}"
        )
    context = contexts[name]
    if not context.get("pachd_address"):
        raise WrongUsage(
            f"--context {name}: the context has no pachd_address",
            f"pachctl config update context {name} --pachd-address=ADDRESS",
        )
    target = parse_address(context["pachd_address"], f"context {name}")
    certificates = base64.b64decode(context["server_cas"]) if context.get("server_cas") else None
    token = context.get("session_token") or None
    return Target(target.host, target.port, target.source, target.tls, token, certificates)


def embedded_address(folder: Path) -> str | None:
    """The address that the embedded pachd of a state folder was last started with, or None."""
    try:
        return (folder / "address").read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def resolve(context: str | None = None) -> Target:
    """Where pachd should be; says nothing about whether it answers."""
    if context:
        return from_config(context)
    if address := os.environ.get("PACHD_ADDRESS"):
        return parse_address(address, "$PACHD_ADDRESS")
    address = embedded_address(state_folder())
    if address is None:
        raise NoPachd("pachd is not running", "start it: workshop up")
    target = parse_address(address, "the embedded pachd")
    return Target(target.host, target.port, target.source, embedded=True)


def client(target: Target) -> "Client":
    """A python_pachyderm client for the target; connects with its first call."""
    from python_pachyderm import Client

    return Client(target.host, target.port, target.token, target.certificates, tls=target.tls)


def version(target: Target) -> str:
    """pachd's version, or NoPachd: a cheap call that proves that it answers."""
    import grpc

    try:
        answer = client(target).get_remote_version()
    except (ConnectionError, grpc.RpcError):  # python_pachyderm makes the one of the other, if it can tell why
        cure = "start it: workshop up" if target.embedded else f"it was looked for because of {target.source}"
        raise NoPachd(f"pachd does not answer on {target.address}", cure) from None
    return f"{answer.major}.{answer.minor}.{answer.micro}{answer.additional}"


def named_address() -> str | None:
    """The address that the environment names in the embedded pachd's stead."""
    return os.environ.get("PACHD_ADDRESS") or None


def environment(target: Target, context: str | None) -> dict[str, str]:
    """What makes pachctl, ours or the real one, talk to the same pachd."""
    if context:
        return {"PACH_CONTEXT": context}
    scheme = "grpcs" if target.tls else "grpc"
    return {"PACHD_ADDRESS": f"{scheme}://{target.address}"}
