"""pps_v2.API: pipelines, jobs, datums, logs, secrets, defaults. Its parts are in the modules beside this one."""

from __future__ import annotations

from typing import Any

from workshop.pachd import errors
from workshop.pachd.pfs import Pfs
from workshop.pachd.pps import jobs
from workshop.pachd.pps.live import Live
from workshop.pachd.wire.datums import Datums
from workshop.pachd.wire.jobs import Jobs
from workshop.pachd.wire.logs import Logs
from workshop.pachd.wire.pipelines import Pipelines
from workshop.pachd.wire.serve import Call
from workshop.pachd.wire.settings import Defaults, Secrets
from workshop.pachd.wire.tasks import Tasks


class Pps(Pipelines, Jobs, Datums, Logs, Secrets, Defaults, Tasks):
    """The service. `live` knows the workers."""

    service = "pps_v2.API"

    def __init__(self, pfs: Pfs, live: Live | None = None) -> None:
        self._pfs, self._live = pfs, live or Live()
        pfs.at_end += [jobs.create_for_set, jobs.kill_orphans]

    def ActivateAuth(self, request: Any, call: Call) -> Any:
        raise errors.Unimplemented("the auth service is not activated")
