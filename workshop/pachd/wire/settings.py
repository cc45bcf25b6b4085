"""pps_v2.API, the parts on secrets and on defaults."""

from __future__ import annotations

from typing import Any

from workshop.pachd.errors import InvalidArgument
from workshop.pachd.model import DEFAULT_PROJECT
from workshop.pachd.pfs import Pfs
from workshop.pachd.pps import defaults, secrets
from workshop.pachd.pps.secrets import Secret
from workshop.pachd.wire.pps_messages import pipeline_message, time
from workshop.pachd.wire.schema import google, pps_v2
from workshop.pachd.wire.serve import Call


def _secret_info(secret: Secret) -> Any:
    info = pps_v2.SecretInfo(secret=pps_v2.Secret(name=secret.name), type=secret.type)
    time(info.creation_timestamp, secret.created)
    return info


def _named(request: Any) -> str:
    if not request.HasField("secret"):
        kind = request.DESCRIPTOR.name
        raise InvalidArgument(f"validate request: invalid {kind}.Secret: value is required")
    return request.secret.name


class Secrets:
    """A part of the service: secrets."""

    _pfs: Pfs

    def CreateSecret(self, request: Any, call: Call) -> Any:
        with self._pfs.store.database.write() as db:
            secrets.create(db, request.file)
        return google.Empty()

    def InspectSecret(self, request: Any, call: Call) -> Any:
        name = _named(request)
        with self._pfs.store.database.read() as db:
            return _secret_info(secrets.get(db, name))

    def ListSecret(self, request: Any, call: Call) -> Any:
        with self._pfs.store.database.read() as db:
            return pps_v2.SecretInfos(secret_info=map(_secret_info, secrets.listing(db)))

    def DeleteSecret(self, request: Any, call: Call) -> Any:
        name = _named(request)
        with self._pfs.store.database.write() as db:
            secrets.delete(db, name)
        return google.Empty()


class Defaults:
    """A part of the service: defaults of the cluster and of projects."""

    _pfs: Pfs

    def GetClusterDefaults(self, request: Any, call: Call) -> Any:
        with self._pfs.store.database.read() as db:
            return pps_v2.GetClusterDefaultsResponse(cluster_defaults_json=defaults.of_cluster(db).document)

    def SetClusterDefaults(self, request: Any, call: Call) -> Any:
        with self._pfs.transaction(dry_run=request.dry_run) as tx:
            changed = defaults.set_cluster(
                tx, request.cluster_defaults_json, request.regenerate, request.reprocess, request.dry_run
            )
        return pps_v2.SetClusterDefaultsResponse(affected_pipelines=map(pipeline_message, changed))

    def GetProjectDefaults(self, request: Any, call: Call) -> Any:
        with self._pfs.store.database.read() as db:
            found = defaults.of_project(db, request.project.name or DEFAULT_PROJECT)
        answer = pps_v2.GetProjectDefaultsResponse(project_defaults_json=found.document)
        time(answer.created_at, found.created)
        return answer

    def SetProjectDefaults(self, request: Any, call: Call) -> Any:
        project = request.project.name or DEFAULT_PROJECT
        with self._pfs.transaction(dry_run=request.dry_run) as tx:
            changed = defaults.set_project(
                tx, project, request.project_defaults_json, request.regenerate, request.reprocess, request.dry_run
            )
        return pps_v2.SetProjectDefaultsResponse(affected_pipelines=map(pipeline_message, changed))
