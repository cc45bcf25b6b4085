"""connect and config: which pachd is meant, and where that is kept."""

from __future__ import annotations

import json

import pytest

from workshop.pachctl.config import Address, load, parse_address
from workshop.pachctl.connection import resolve
from workshop.pachctl.errors import Failure


@pytest.mark.parametrize(
    ("text", "qualified"),
    [
        ("localhost", "grpc://localhost:30650"),
        ("127.0.0.1:9", "grpc://127.0.0.1:9"),
        ("https://h:443", "grpcs://h:443"),
        ("http://h", "grpc://h:30650"),
        ("unix:///tmp/s", "unix:///tmp/s"),
    ],
)
def test_addresses_are_kept_with_their_scheme_and_port(text, qualified):
    assert parse_address(text).qualified == qualified


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no pachd address specified"),
        ("ftp://x", "unrecognized scheme in pachd address: ftp"),
        ("grpc://x/y", "pachd address should not include a path"),
        ("grpc://me@x", "pachd address should not include login credentials"),
        ("grpc://x?q", "pachd address should not include a query string"),
        ("grpc://x:99999", 'could not parse port in address: strconv.ParseUint: parsing "99999": value out of range'),
    ],
)
def test_what_is_no_address_is_refused(text, problem):
    with pytest.raises(Failure) as caught:
        parse_address(text)
    assert caught.value.text == problem


def test_connect_makes_a_context_and_a_second_time_only_activates_it(pachctl):
    assert "New context 'x' created" in pachctl.ok("connect", "grpc://127.0.0.1:9", "--alias", "x").out
    assert pachctl.ok("connect", "grpc://127.0.0.1:10", "--alias", "x").out == "Context 'x' set as active\n"
    written = json.loads((pachctl.folder / "config.json").read_text())["v2"]
    assert written["active_context"] == "x"
    assert written["contexts"]["x"] == {"pachd_address": "grpc://127.0.0.1:9"}


def test_the_file_is_pachctls_own_and_python_pachyderm_reads_it(pachctl):
    import python_pachyderm

    pachctl.ok("connect", "grpc://127.0.0.1:9")
    with (pachctl.folder / "config.json").open() as file:
        config = json.load(file)
    assert python_pachyderm.Client._parse_config(config)[2] == "grpc://127.0.0.1:9"


def test_reading_writes_nothing(pachctl):
    assert pachctl.ok("config", "get", "active-context").out == "default\n"
    assert not (pachctl.folder / "config.json").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "could not create pachctl command: could not parse config json"),
        ('{"v2":{"active_context":"gone"}}', 'pachctl\'s active context is "gone", but no context named'),
        ('{"v2":{"contexts":{}}}', "no active context configured"),
        ('{"v3":{}}', 'unknown field "v3"'),
    ],
)
def test_a_broken_configuration_is_told_in_words_and_kept(pachctl, text, problem):
    path = pachctl.folder / "config.json"
    path.write_text(text)
    assert problem in pachctl.fails("list", "repo")
    assert path.read_text() == text


def test_a_first_configuration_of_1_x_becomes_todays(pachctl):
    (pachctl.folder / "config.json").write_text('{"user_id":"u","v1":{"pachd_address":"h:1","session_token":"t"}}')
    context = json.loads(pachctl.ok("config", "get", "context", "default").out)
    assert context == {"source": "CONFIG_V1", "pachd_address": "grpc://h:1", "session_token": "t"}


def test_which_pachd_is_called_goes_from_the_explicit_to_the_embedded(pachctl, monkeypatch, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setenv("WORKSHOP_STATE", str(state))
    (state / "address").write_text("127.0.0.1:7\n")
    assert resolve(load()) == Address("127.0.0.1", 7)
    pachctl.ok("connect", "grpc://127.0.0.1:8", "--alias", "here")
    pachctl.ok("connect", "grpc://127.0.0.1:9", "--alias", "there")
    assert resolve(load()).port == 9
    monkeypatch.setenv("PACHD_ADDRESS", "127.0.0.1:10")
    assert resolve(load()).port == 10
    assert resolve(load("here")).port == 8


def test_the_embedded_pachd_has_contexts_of_its_own(monkeypatch, tmp_path, pachctl):
    monkeypatch.delenv("PACH_CONFIG")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "state"))
    (tmp_path / "state").mkdir()
    pachctl.ok("config", "update", "context", "--project", "mine")
    assert (tmp_path / "state" / "pachctl.json").exists()
    assert not (tmp_path / "home").exists()
    assert load().project == "mine"


def test_nobody_at_the_address_is_one_line(pachctl):
    pachctl.ok("connect", "grpc://127.0.0.1:9")
    assert pachctl.fails("list", "repo").startswith(
        "cannot list repos: rpc error: code = Unavailable desc = could not connect to pachd at grpc://127.0.0.1:9"
    )


def test_no_pachd_at_all_says_how_to_get_one(pachctl, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKSHOP_STATE", str(tmp_path / "none"))
    assert "workshop up" in pachctl.fails("list", "repo")


def test_a_context_that_does_not_exist_is_named(pachctl):
    assert "--context refers to a context" in pachctl.fails("--context", "nosuch", "list", "repo")


def test_the_enterprise_context_is_its_own_variables_its_own_setting_or_else_the_active_one(pachctl, monkeypatch):
    def asked() -> str:
        return pachctl.ok("config", "get", "active-enterprise-context").out.strip()

    for name in ("one", "two"):
        pachctl.ok("connect", "grpc://127.0.0.1:9", "--alias", name)
    assert asked() == "two"
    pachctl.ok("config", "set", "active-enterprise-context", "one")
    monkeypatch.setenv("PACH_CONTEXT", "default")
    assert asked() == "one"
    monkeypatch.setenv("PACH_ENTERPRISE_CONTEXT", "two")
    assert asked() == "two"
    monkeypatch.delenv("PACH_ENTERPRISE_CONTEXT")
    pachctl.ok("config", "delete", "context", "one")
    assert pachctl.fails("config", "get", "active-enterprise-context") == (
        'pachctl config error: pachctl\'s active enterprise context is "two", but no context named "two" has been '
        "configured.\n\nYou can fix your config by setting the active context like so: pachctl config set "
        "active-enterprise-context <context>"
    )


def test_a_kubernetes_context_is_imported_by_its_name_or_as_the_current_one(pachctl, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert pachctl.fails("config", "import-kube", "k") == "kubernetes context does not exist:"
    assert pachctl.fails("config", "import-kube", "k", "-k", "x") == "kubernetes context does not exist: x"
    (tmp_path / "kube").write_text(
        "current-context: a\ncontexts:\n- {name: a, context: {cluster: c, user: u}}\n"
        "- {name: b, context: {cluster: d, namespace: n}}\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kube"))
    pachctl.ok("config", "import-kube", "k")
    assert pachctl.ok("config", "get", "active-context").out == "k\n"
    shown = pachctl.ok("config", "get", "context", "k").out
    assert json.loads(shown) == {"source": "IMPORTED", "cluster_name": "c", "auth_info": "u"}
    assert "already exists, use `--overwrite`" in pachctl.fails("config", "import-kube", "k")
    pachctl.ok("config", "import-kube", "k", "-o", "-k", "b", "-n", "other")
    assert '"namespace": "other"' in pachctl.ok("config", "get", "context", "k").out
