"""The small services that say what this server is, and that nothing of the enterprise kind is activated."""

from __future__ import annotations

from typing import Any

from workshop.pachd import errors
from workshop.pachd.store import Store
from workshop.pachd.wire.schema import METHODS, admin_v2, enterprise_v2, license_v2, versionpb_v2
from workshop.pachd.wire.serve import Call

VERSION = (2, 12, 0)
SCHEMA = (  # of pipeline specs, where a cluster without a web address of its own sends editors
    "https://raw.githubusercontent.com/pachyderm/pachyderm/v2.12.0/src/internal/jsonschema/pps_v2/"
    "CreatePipelineRequest.schema.json"
)


class Admin:
    """admin_v2.API. InspectCluster is on the path of every pachctl command: it takes no lock."""

    service = "admin_v2.API"

    def __init__(self, store: Store) -> None:
        self._store = store

    def InspectCluster(self, request: Any, call: Call) -> Any:
        info = admin_v2.ClusterInfo(
            id=self._store.cluster_id, deployment_id=self._store.deployment_id, warnings_ok=True, proxy_host=""
        )
        info.web_resources.create_pipeline_request_json_schema_url = SCHEMA
        project = request.current_project.name
        if project and not self._store.has_project(project):
            info.warnings.append(f'WARNING: Could not inspect project "{project}": it is not on this server')
        for key, value in self._store.cluster_metadata().items():
            info.metadata[key] = value
        return info


class Version:
    """versionpb_v2.API."""

    service = "versionpb_v2.API"

    def GetVersion(self, request: Any, call: Call) -> Any:
        major, minor, micro = VERSION
        return versionpb_v2.Version(major=major, minor=minor, micro=micro)


class Enterprise:
    """enterprise_v2.API: nothing is activated."""

    service = "enterprise_v2.API"

    def GetState(self, request: Any, call: Call) -> Any:
        return enterprise_v2.GetStateResponse(state=enterprise_v2.NONE)

    def Deactivate(self, request: Any, call: Call) -> Any:
        return enterprise_v2.DeactivateResponse()


class License:
    """license_v2.API: there is no license, so there is nothing to list and nothing to delete."""

    service = "license_v2.API"

    def DeleteAll(self, request: Any, call: Call) -> Any:
        return license_v2.DeleteAllResponse()

    def ListClusters(self, request: Any, call: Call) -> Any:
        return license_v2.ListClustersResponse()

    def ListUserClusters(self, request: Any, call: Call) -> Any:
        return license_v2.ListUserClustersResponse()

    def GetActivationCode(self, request: Any, call: Call) -> Any:
        return license_v2.GetActivationCodeResponse(state=enterprise_v2.NONE)


def _not_activated(self: Any, request: Any, call: Call) -> Any:
    raise errors.Unimplemented("the auth service is not activated")


def _inactive(service_name: str) -> type:
    """A servicer that refuses every RPC of a service, in the words clients look for."""
    names = [method.name for method in METHODS.values() if method.service == service_name]
    return type(service_name, (), {"service": service_name, "inactive": True, **dict.fromkeys(names, _not_activated)})


Auth = _inactive("auth_v2.API")
Identity = _inactive("identity_v2.API")
