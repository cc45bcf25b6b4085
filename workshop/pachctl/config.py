"""pachctl's configuration: contexts (an address, a project, an open transaction), in pachctl's own file and form.

Which file: $PACH_CONFIG; else ~/.pachyderm/config.json where `--context` or $PACH_CONTEXT asks for one of its contexts,
or where no embedded pachd has been started here; else `pachctl.json` beside the embedded pachd's data, so that a
workshop on this machine never touches the contexts of real clusters.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from workshop.pachctl.errors import Failure
from workshop.pachctl.golang import json_text, quoted
from workshop.pachctl.messages import Message, to_json
from workshop.pachctl.protojson import parse

DEFAULT_PORT = 30650
DEFAULT_PROJECT = "default"
CONTEXT = "config_v2.Context"


@dataclass(frozen=True)
class Address:
    """Where a pachd answers."""

    host: str = ""
    port: int = DEFAULT_PORT
    secured: bool = False
    socket: str = ""

    @property
    def qualified(self) -> str:
        return self.socket or f"{'grpcs' if self.secured else 'grpc'}://{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """HOST, HOST:PORT or SCHEME://HOST:PORT (grpc, grpcs, http, https, unix). Raises Failure."""
    if not text:
        raise Failure("no pachd address specified")
    parts = urlsplit(text if "://" in text else f"grpc://{text}")
    if parts.scheme == "unix":
        return Address(socket=text)
    if parts.scheme not in ("grpc", "grpcs", "http", "https"):
        raise Failure(f"unrecognized scheme in pachd address: {parts.scheme}")
    host, _, port = parts.netloc.rpartition("@")[2].partition(":")
    if parts.netloc.startswith("["):
        host, _, port = parts.netloc[1:].partition("]")
        port = port.lstrip(":")
    for present, what in (
        (parts.path, "a path"),
        ("@" in parts.netloc, "login credentials"),
        (parts.query, "a query string"),
        (parts.fragment, "a fragment"),
    ):
        if present:
            raise Failure(f"pachd address should not include {what}")
    if port and not re.fullmatch(r"\d+", port):
        raise Failure(f'could not parse pachd address: parse {quoted(text)}: invalid port ":{port}" after host')
    if port and int(port) > 65535:
        raise Failure(f"could not parse port in address: strconv.ParseUint: parsing {quoted(port)}: value out of range")
    return Address(host, int(port or DEFAULT_PORT), parts.scheme in ("grpcs", "https"))


def embedded_address() -> Address | None:
    """Where `workshop up` left its address, if it did."""
    from workshop import context

    text = context.embedded_address(context.state_folder())
    return parse_address(text) if text else None


def default_path(asked: str = "") -> Path:
    """The configuration file, by the rule at the top of this module."""
    if os.environ.get("PACH_CONFIG"):
        return Path(os.environ["PACH_CONFIG"])
    if not asked and "PACH_CONTEXT" not in os.environ:
        from workshop.context import state_folder

        if state_folder().is_dir():
            return state_folder() / "pachctl.json"
    return Path.home() / ".pachyderm" / "config.json"


class Config:
    """The configuration of one call. Reading creates nothing; `write` replaces the file in one step."""

    def __init__(self, path: Path, asked: str = ""):
        self.path, self.asked, self.enterprise = path, asked, False
        self.message = self._read()
        self.changed = "user_id" not in self.message or "v2" not in self.message
        if "user_id" not in self.message:
            self.message["user_id"] = os.urandom(16).hex()
        if "v2" not in self.message:
            self.message["v2"] = self._first()
        self.message.pop("v1", None)
        self.v2 = self.message["v2"]
        self.v2.setdefault("contexts", {})
        for name, each in self.contexts.items():
            if each.pachd_address:
                try:
                    each["pachd_address"] = parse_address(each.pachd_address).qualified
                except Failure as error:
                    raise Failure(f"could not parse pachd address for context '{name}': {error.text}") from None

    @property
    def contexts(self) -> dict[str, Message]:
        return self.v2["contexts"]

    def _read(self) -> Message:
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return Message("config_v2.Config")
        except NotADirectoryError:
            return Message("config_v2.Config")
        except OSError as error:
            raise Failure(f'could not read config at "{self.path}": {error.strerror}') from None
        if not text.strip():
            return Message("config_v2.Config")
        before = f'could not parse config json at "{self.path}": could not parse intermediate JSON to protobuf: '
        try:
            try:
                json.loads(text)
            except ValueError:
                from workshop.pachctl.specs import documents, to_value

                text = json_text(to_value(next(documents(text))))
            return parse("config_v2.Config", text)
        except ValueError as error:
            raise Failure(f"{before}unmarshal protojson: {error}") from None

    def _first(self) -> Message:
        """The second version of the configuration, from the first one or from nothing."""
        old = self.message.get("v1")
        first = Message(CONTEXT, {"source": "CONFIG_V1", **old} if old is not None else {})
        return Message(
            "config_v2.ConfigV2", {"active_context": "default", "contexts": {"default": first}, "metrics": True}
        )

    def active(self, needed: bool = True, enterprise: bool = False) -> tuple[str, Message]:
        """The active context's name and the context. Raises Failure where the configuration names none or one that
        is not there.
        """
        chosen = self.asked or os.environ.get("PACH_ENTERPRISE_CONTEXT" if enterprise else "PACH_CONTEXT", "")
        if enterprise and not chosen:
            if not self.v2.active_enterprise_context:
                return self.active(needed)
            chosen = self.v2.active_enterprise_context if self.v2.active_enterprise_context in self.contexts else ""
        if chosen:
            if chosen not in self.contexts:
                origin = "`PACH_CONTEXT` refers to" if not self.asked else "--context refers to"
                raise Failure(f"pachctl config error: {origin} a context ({quoted(chosen)}) that does not exist")
            return chosen, self.contexts[chosen]
        # a missing enterprise context is told by the other one's name, as pachctl tells it
        name, which = self.v2.active_context, "enterprise " if enterprise else ""
        if not enterprise and name in self.contexts:
            return name, self.contexts[name]
        cure = (
            "You can fix your config by setting the active context like so: "
            f"pachctl config set active-{which.strip() + '-' if which else ''}context <context>"
        )
        if name:
            raise Failure(
                f"pachctl config error: pachctl's active {which}context is {quoted(name)}, but no context named "
                f"{quoted(name)} has been configured.\n\n{cure}"
            )
        if needed:
            raise Failure(f"pachctl config error: no active context configured.\n\n{cure}")
        return "", Message(CONTEXT)

    @property
    def context(self) -> Message:
        return self.active(enterprise=self.enterprise)[1]

    @property
    def project(self) -> str:
        """The active context's project."""
        return self.context.project or DEFAULT_PROJECT

    @property
    def transaction(self) -> str:
        """The id of the transaction that the active context has open, or ""."""
        return self.context.active_transaction

    def set_transaction(self, identity: str) -> None:
        self.context["active_transaction"] = identity
        self.write()

    def write(self) -> None:
        """Replace the file in one step; $PACH_CONFIG's folder must exist, the default one is made."""
        import tempfile

        folder = self.path.parent
        if "PACH_CONFIG" in os.environ:
            if not folder.is_dir():
                raise Failure(
                    f"cannot use config at {self.path}: could not stat parent directory: "
                    f"stat {folder}: no such file or directory"
                )
        else:
            folder.mkdir(parents=True, exist_ok=True)
        text = json_text(to_json(self.message), indent=2, escape_html=False, sort=False) + "\n"
        handle, temporary = tempfile.mkstemp(prefix=".pachyderm-config-", dir=folder)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
            os.replace(temporary, self.path)
        except OSError as error:
            Path(temporary).unlink(missing_ok=True)
            raise Failure(f"error writing Pachyderm config: {error}") from None


def load(asked: str = "") -> Config:
    """The configuration of this call, checked. Raises Failure with the text that pachctl starts with."""
    try:
        config = Config(default_path(asked), asked)
        config.active()
    except Failure as error:
        raise Failure(f"could not create pachctl command: {error.text}") from None
    return config
