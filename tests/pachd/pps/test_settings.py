"""Secrets, defaults, ticks and alerts."""

from __future__ import annotations

import base64
import json

import pytest

from workshop.pachd.errors import InvalidArgument, NotFound, PachydermError
from workshop.pachd.model import PipelineName
from workshop.pachd.pfs import repos
from workshop.pachd.pps import crons, defaults, pipelines, secrets, status
from workshop.pachd.pps.records import PipelineState
from workshop.pachd.spec import CLUSTER_DEFAULTS

from .conftest import pfs_input


# ---------------------------------------------------------------- secrets
def secret(name: str = "s", **more) -> bytes:
    return json.dumps({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name}, **more}).encode()


def create_secret(verbs, file: bytes) -> None:
    with verbs.store.database.write() as db:
        secrets.create(db, file)


def test_a_secret_is_kept_with_its_type_and_data(verbs):
    create_secret(verbs, secret("a", data={"k": base64.b64encode(b"v").decode()}, stringData={"t": "text"}))
    create_secret(verbs, secret("b", type="kubernetes.io/tls", stringData={"tls.crt": "", "tls.key": ""}))
    with verbs.store.database.read() as db:
        found = secrets.get(db, "a")
        assert (found.type, found.data) == ("Opaque", {"k": b"v", "t": b"text"})
        assert [each.type for each in secrets.listing(db)] == ["Opaque", "kubernetes.io/tls"]


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        (b"", "unexpected end of JSON input"),
        (b"no json", "invalid character 'o' in literal null (expecting 'u')"),
        (b"[]", "json: cannot unmarshal array into Go value of type v1.Secret"),
        (secret(data={"k": "%"}), "illegal base64 data at input byte 0"),
        (secret(data=[1]), "json: cannot unmarshal array into Go struct field Secret.data of type map[string][]uint8"),
        (secret(data={"k": 1}), "json: cannot unmarshal number into Go struct field Secret.data of type []uint8"),
        (secret(type=True), "json: cannot unmarshal bool into Go struct field Secret.type of type v1.SecretType"),
    ],
)
def test_a_file_that_is_no_secret_is_refused_in_gos_words(verbs, file, fault):
    with pytest.raises(PachydermError) as refusal:
        create_secret(verbs, file)
    assert refusal.value.text == f"failed to unmarshal secret: {fault}"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (secret(""), 'failed to create secret: Secret "" is invalid: metadata.name: Required value'),
        (
            secret("A_b"),
            'failed to create secret: Secret "A_b" is invalid: metadata.name: Invalid value: "A_b": a lower',
        ),
        (secret(stringData={"a b": ""}), 'failed to create secret: Secret "s" is invalid: data[a b]: Invalid value'),
        (secret(metadata={"name": "s", "labels": {"suite": "x"}}), "invalid suite label set on secret: suite=x"),
        (
            secret(type="kubernetes.io/dockerconfigjson"),
            'failed to create secret: Secret "s" is invalid: data[.dockerconfigjson]: Required value',
        ),
        (
            secret(type="kubernetes.io/dockercfg", stringData={".dockercfg": "{"}),
            'failed to create secret: Secret "s" is invalid: data[.dockercfg]: Invalid value: '
            '"<secret contents redacted>": unexpected end of JSON input',
        ),
        (
            secret(type="kubernetes.io/tls"),
            'failed to create secret: Secret "s" is invalid: [data[tls.crt]: Required value, data[tls.key]: Required',
        ),
        (
            secret(type="kubernetes.io/basic-auth"),
            'failed to create secret: Secret "s" is invalid: [data[username]: Required value, data[password]: Required',
        ),
        (
            secret(type="kubernetes.io/ssh-auth", stringData={"ssh-privatekey": ""}),
            'failed to create secret: Secret "s" is invalid: data[ssh-privatekey]: Required value',
        ),
        (
            secret(type="kubernetes.io/service-account-token"),
            'failed to create secret: Secret "s" is invalid: metadata.annotations[kubernetes.io/service-account.name]:',
        ),
        (
            secret(metadata={"name": "s", "namespace": "other"}),
            "failed to create secret: the namespace of the provided object does not match the namespace sent on the",
        ),
        (
            secret(metadata={"name": "s", "annotations": {"a": 1}}),
            "failed to unmarshal secret: json: cannot unmarshal number into Go struct field",
        ),
    ],
)
def test_secrets_that_kubernetes_refuses(verbs, file, text):
    with pytest.raises(PachydermError) as refusal:
        create_secret(verbs, file)
    assert refusal.value.text.startswith(text)


def test_secrets_that_are_there_already_or_are_not(verbs):
    create_secret(verbs, secret())
    with pytest.raises(PachydermError, match=r'^failed to create secret: secrets "s" already exists$'):
        create_secret(verbs, secret())
    with verbs.store.database.write() as db:
        secrets.delete(db, "s")
        with pytest.raises(PachydermError, match=r'^failed to delete secret: secrets "s" not found$'):
            secrets.delete(db, "s")
        with pytest.raises(PachydermError, match=r'^failed to get secret: secrets "s" not found$'):
            secrets.get(db, "s")


@pytest.mark.parametrize(
    ("mount", "text"),
    [
        ({"name": "nope"}, "missing Kubernetes secret nope"),
        ({"name": "s", "envVar": "E"}, "secret s has env_var set but is missing key"),
        ({"name": "s", "envVar": "E", "key": "no"}, "Kubernetes secret s missing key no"),
        ({"mountPath": "/x"}, "could not get Kubernetes secret : resource name may not be empty"),
        ({"name": "s", "key": "no", "mountPath": "/x"}, None),
        ({"name": "s", "key": "k", "envVar": "E"}, None),
    ],
)
def test_the_secrets_of_a_transform_must_be_there(verbs, mount, text):
    create_secret(verbs, secret(stringData={"k": "v"}))
    with verbs.store.database.read() as db:
        if text is None:
            secrets.check(db, [mount])
            return
        with pytest.raises(PachydermError) as refusal:
            secrets.check(db, [mount])
    assert refusal.value.text == text


# ---------------------------------------------------------------- defaults
def test_fresh_defaults(verbs):
    with verbs.store.database.read() as db:
        assert defaults.of_cluster(db).document == CLUSTER_DEFAULTS
        assert defaults.of_project(db, "default").document == "{}"
        with pytest.raises(NotFound, match='error getting project "no": get project by name: project "no" not found'):
            defaults.of_project(db, "no")


def test_a_project_may_be_given_defaults_before_it_is_made(verbs):
    document = '{"createPipelineRequest": {"datumTries": 5}}'
    with verbs.pfs.transaction() as tx:
        assert defaults.set_project(tx, "later", document) == []
    with verbs.pfs.transaction() as tx:
        repos.create_project(tx, "later")
        assert defaults.of_project(tx.db, "later").document == document


def test_new_defaults_change_pipelines_only_when_they_are_regenerated(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    verbs.create("q", pfs_input("in"), datumTries=9)
    document = '{"createPipelineRequest": {"datum_tries": 5}}'
    with verbs.pfs.transaction() as tx:
        assert defaults.set_cluster(tx, document) == []
    assert verbs.pipeline("p").version == 1
    with verbs.pfs.transaction() as tx:  # the resource requests of the fresh defaults are gone too, so both change
        changed = defaults.set_cluster(tx, document, regenerate=True)
    assert sorted(name.name for name in changed) == ["p", "q"]
    assert [verbs.pipeline(name).details["datumTries"] for name in "pq"] == ["5", "9"]
    with verbs.pfs.transaction() as tx:
        assert defaults.set_cluster(tx, document, regenerate=True) == []
    with verbs.pfs.transaction() as tx:
        changed = defaults.set_project(
            tx, "default", '{"createPipelineRequest": {"datumTries": "6"}}', regenerate=True, reprocess=True
        )
    assert [name.name for name in changed] == ["p"]
    assert verbs.pipeline("p").salt != verbs.pipeline("p^").salt


def test_a_dry_run_says_what_would_change_and_changes_nothing(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    with verbs.pfs.transaction(dry_run=True) as tx:
        assert defaults.set_cluster(tx, "{}", regenerate=True) == [PipelineName("default", "p")]
    assert verbs.pipeline("p").version == 1
    with verbs.store.database.read() as db:
        assert defaults.of_cluster(db).document == CLUSTER_DEFAULTS


def test_faulty_defaults_are_refused_with_both_texts(verbs):
    faulty = '{"createPipelineRequest": {"nope": 1}}'
    with pytest.raises(InvalidArgument) as refusal, verbs.pfs.transaction() as tx:
        defaults.set_project(tx, "default", faulty)
    assert refusal.value.text == f"could not merge project defaults {faulty} into cluster defaults {CLUSTER_DEFAULTS}"
    with pytest.raises(InvalidArgument, match=r"^invalid cluster defaults JSON$"), verbs.pfs.transaction() as tx:
        defaults.set_cluster(tx, faulty)
    useless = '{"createPipelineRequest": {"reprocessSpec": "sometimes"}}'
    with pytest.raises(InvalidArgument) as refusal, verbs.pfs.transaction() as tx:
        defaults.set_cluster(tx, useless)
    assert refusal.value.text == (
        f"could not merge cluster defaults {useless} into built-in defaults "
        '{"createPipelineRequest":{"transform":{"image":"ubuntu:20.04"},"outputBranch":"master","datumTries":"3",'
        '"reprocessSpec":"until_success"}}'
    )


def test_a_pipeline_that_new_defaults_would_break_keeps_them_from_being_set(verbs):
    verbs.create("p", spout={})
    broken = '{"createPipelineRequest": {"autoscaling": true}}'
    with verbs.pfs.transaction(dry_run=True) as tx:  # looks no further than the texts
        found = defaults.set_project(tx, "default", broken, regenerate=True, dry_run=True)
    assert found == [PipelineName("default", "p")]
    for call, whose in (
        (defaults.set_project, "project"),
        (lambda tx, _, *more: defaults.set_cluster(tx, *more), "cluster"),
    ):
        with pytest.raises(PachydermError) as refusal, verbs.pfs.transaction() as tx:
            call(tx, "default", broken, True)
        assert refusal.value.text == f"unknown error: could not write {whose} defaults"
    assert verbs.pipeline("p").version == 1


def test_a_pipeline_whose_text_does_not_go_with_new_defaults_cannot_be_listed(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"), egress={"objectStorage": {"url": "s3://x"}})
    database = '{"createPipelineRequest": {"egress": {"sqlDatabase": {"url": "x"}}}}'
    with pytest.raises(PachydermError) as refusal, verbs.pfs.transaction() as tx:
        defaults.set_project(tx, "default", database, regenerate=True)
    assert refusal.value.text == "unknown error: could not list pipelines"
    with verbs.pfs.transaction() as tx:
        defaults.set_project(tx, "default", database)
    with pytest.raises(InvalidArgument) as refusal:
        verbs.create("q", pfs_input("in"), egress={"objectStorage": {"url": "s3://x"}})
    assert refusal.value.text.startswith('could not make effective spec: could not unmarshal effective spec {"create')


# ---------------------------------------------------------------- ticks
def test_each_cron_input_gets_its_tick_in_a_commit_set_of_its_own(verbs):
    crossed = {"cross": [{"cron": {"name": name, "spec": "@never"}} for name in "ab"]}
    verbs.create("p", crossed)
    before = len(verbs.jobs("p"))
    crons.run_now(verbs.pfs, PipelineName("default", "p"))
    assert len(verbs.jobs("p")) == before + 2
    assert verbs.head("p_a").id != verbs.head("p_b").id


@pytest.mark.parametrize(("overwrite", "count"), [(False, 2), (True, 1)])
def test_ticks_pile_up_unless_they_overwrite(verbs, overwrite, count):
    verbs.create("p", {"cron": {"name": "tick", "spec": "@never", "overwrite": overwrite}})
    (leaf,) = crons.of_pipeline(verbs.pipeline("p"))
    for second in (1, 2):
        with verbs.pfs.transaction() as tx:
            crons.tick(tx, leaf, second * 10**9)
    with verbs.store.database.read() as db:
        trees = verbs.store.trees(db)
        found = [entry.path for entry in trees.walk(verbs.head("p_tick").root) if not entry.is_directory]
    assert found == ["/1970-01-01T00:00:01Z", "/1970-01-01T00:00:02Z"][-count:]


def test_a_pipeline_without_crons_cannot_be_ticked(verbs):
    verbs.repo("in")
    verbs.create("p", pfs_input("in"))
    with pytest.raises(PachydermError, match="pipeline doesn't have a cron input"):
        crons.run_now(verbs.pfs, PipelineName("default", "p"))


# ---------------------------------------------------------------- status
def test_an_alert_is_raised_for_a_pipeline_that_runs_longer_than_it_expects_to(verbs):
    verbs.repo("in")
    made = verbs.create("p", pfs_input("in"), maximumExpectedUptime="60s")
    with verbs.pfs.transaction() as tx:
        pipelines.set_state(tx.db, made, PipelineState.RUNNING)
    running = verbs.pipeline("p")
    assert status.alerts(running, running.created + 59 * 10**9) == []
    (text,) = status.alerts(running, running.created + 180 * 10**9 + 500 * 10**6)
    assert text.startswith("default/p: Started running at 20")
    assert text.endswith(" +0000 UTC, exceeded maximum uptime by 2m0.5s")
    unlimited = verbs.create("q", pfs_input("in"))
    assert status.alerts(unlimited, unlimited.created + 10**18) == []


def test_a_summary_counts_pipelines_by_condition(verbs):
    verbs.repo("in")
    for name in "abc":
        verbs.create(name, pfs_input("in"))
    with verbs.pfs.transaction() as tx:
        pipelines.set_stopped(tx.db, PipelineName("default", "a"), True)
        pipelines.set_state(tx.db, pipelines.get(tx.db, PipelineName("default", "b")), PipelineState.FAILURE)
    with verbs.store.database.read() as db:
        (found,) = status.summaries(db, [])
        assert (found.active, found.paused, found.failed, found.unhealthy) == (1, 1, 1, 0)
        assert status.summaries(db, ["nowhere"]) == []
