"""auth, idp, license and enterprise on a pachd without users: each command is there and says why it cannot."""

from __future__ import annotations

import pytest

INACTIVE = "the auth service is not activated"


@pytest.mark.parametrize(
    "words",
    [
        "auth check repo r",
        "auth check project p user:me",
        "auth set repo r repoReader user:me",
        "auth set cluster none user:me",
        "auth get project p",
        "auth get-groups",
        "auth get-robot-token r --ttl 1h",
        "auth get-config",
    ],
)
def test_what_needs_users_is_answered_as_a_cluster_without_auth_answers(connected, words):
    assert connected.fails(*words.split()) == INACTIVE


def test_some_answers_keep_the_status_or_have_words_before_them(connected):
    assert connected.fails("auth", "whoami") == f"error: {INACTIVE}"
    assert connected.fails("auth", "rotate-root-token") == f"rpc error: code = Unimplemented desc = {INACTIVE}"
    assert connected.fails("auth", "roles-for-permission", "bake") == 'unknown permission "bake"'
    assert connected.fails("auth", "login") == "no authentication providers are configured"
    assert connected.fails("auth", "revoke") == "one of --token or --user must be set"


def test_deactivating_asks_first(connected):
    assert connected.fails("auth", "deactivate", stdin=b"n\n") == "operation aborted"
    assert connected.fails("auth", "deactivate", stdin=b"y\n") == INACTIVE


def test_a_token_is_kept_in_the_context_until_logout(connected):
    connected.ok("auth", "use-auth-token", stdin=b"secret\n")
    assert '"session_token": "secret"' in (connected.folder / "config.json").read_text()
    connected.ok("auth", "logout")
    assert "session_token" not in (connected.folder / "config.json").read_text()


def test_settings_are_read_before_anything_is_asked(connected):
    def fails(*words: str, stdin: bytes = b"") -> str:
        return connected.fails("idp", "create-client", *words, stdin=stdin).partition("\n")[2]

    missing = 'unable to parse config: could not read config from "nosuch": open nosuch: no such file or directory'
    assert fails("--config", "nosuch") == missing
    assert fails(stdin=b"{colour: 1}").startswith("unable to parse config: ")
    assert fails(stdin=b"{id: x}") == INACTIVE


@pytest.mark.parametrize(
    "words",
    ["idp get-config", "idp list-client", "idp get-connector x", "auth get enterprise", "auth get-config --enterprise"],
)
def test_what_goes_to_the_enterprise_context_says_which_one_that_is(connected, words):
    name = connected.ok("config", "get", "active-context").out.strip()
    assert connected.fails(*words.split()) == f"Using enterprise context: {name}\n{INACTIVE}"


def test_what_is_deprecated_says_only_that(pachctl):
    assert pachctl.fails("enterprise", "get-state") == "Deprecated. Please don't use."
    assert pachctl.fails("license", "list-clusters") == "Deprecated. Please don't use."


def test_what_a_workshop_has_not_says_so_in_one_line(pachctl):
    assert pachctl.fails("mount", "here").startswith("`pachctl mount` is not part of the workshop's pachctl: ")
