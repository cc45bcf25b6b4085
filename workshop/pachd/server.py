"""Puts the rooms together: a store, the verbs, the scheduler and the wire, as one running daemon."""

from __future__ import annotations

import hmac
import ipaddress
import threading
from collections.abc import Callable, Iterable
from concurrent import futures
from functools import partial
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from workshop.pachd import containers, errors
from workshop.pachd.pfs import Pfs, acting
from workshop.pachd.pfs.clock import Clock
from workshop.pachd.pfs.keeper import Keeper
from workshop.pachd.pfs.urls import Sources
from workshop.pachd.pps import marks, metaview
from workshop.pachd.runner import Isolation
from workshop.pachd.scheduler import Scheduler
from workshop.pachd.scheduler.live import Workers
from workshop.pachd.store import Store, collection
from workshop.pachd.wire import cluster, storage
from workshop.pachd.wire.metadata import Metadata
from workshop.pachd.wire.pfs import PfsService
from workshop.pachd.wire.pps import Pps
from workshop.pachd.wire.serve import Call, Dispatcher
from workshop.pachd.wire.transaction import Transactions
from workshop.pachd.workers import UNTRIED, Images, Surroundings

MAX_MESSAGE = 64 << 20  # clients send up to 20 MiB
OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.keepalive_permit_without_calls", 1),  # Go clients ping every 20 s, also without calls
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.http2.bdp_probe", 0),  # else windows grow until a stream of 20 MiB messages takes 200 MB
    ("grpc.so_reuseport", 0),  # a port that is taken is an error
]
THREADS = 256
ask_to_collect = storage.ask  # how to have a running daemon collect
IMAGES = Path(__file__).resolve().parents[2] / "docker" / "images.json"  # which image holds which code


class Daemon:
    """An embedded pachd on one state folder. `start()` returns once it answers; `stop()` ends it in order."""

    def __init__(
        self,
        state: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = "",
        images: Path | None = None,
        allow_files: Iterable[Path] = (),
        runtime: str = "",
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback and not token:
            raise errors.PachydermError(
                f"listening on {host} needs a token (--token): everybody on the network could reach it"
            )
        self.host, self.port, self._token = host, port, token
        table = Images(images or (IMAGES if IMAGES.is_file() else None))
        isolation = UNTRIED if not runtime else Isolation(runtime, engine=containers.find(runtime))
        self.store = Store(state)
        self.pfs = Pfs(self.store)
        self.pfs.markers.append(marks.mark)
        self.pfs.sources = Sources(tuple(allow_files))
        self.pfs.meta_content = partial(metaview.content, self.pfs)
        self.clock, self.keeper = Clock(self.pfs), Keeper(self.pfs)
        self.scheduler = Scheduler(self.pfs, Surroundings(self.store, table, host, isolation=isolation))
        transactions = Transactions(self.pfs)
        self.servicers = self._servicers(transactions)
        transactions.admit(self.servicers)
        self._pool = futures.ThreadPoolExecutor(THREADS, thread_name_prefix="rpc")
        self._server = grpc.server(self._pool, options=OPTIONS)
        guard = self._guard()
        handlers = (Dispatcher(self.servicers, transactions, guard), storage.Storage(self.pfs, guard))
        self._server.add_generic_rpc_handlers(handlers)
        checks = health.HealthServicer()
        checks.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(checks, self._server)
        self._stopped = threading.Event()

    def _servicers(self, transactions: Transactions) -> list:
        return [
            transactions,
            PfsService(self.pfs),
            Metadata(self.pfs),
            Pps(self.pfs, Workers(self.scheduler)),
            cluster.Admin(self.store),
            cluster.Version(),
            cluster.Enterprise(),
            cluster.License(),
            cluster.Auth(),
            cluster.Identity(),
        ]

    def _guard(self) -> Callable[[Call], None]:
        """What looks at each call before it is served: who calls, and whether they may."""
        shared, wanted = self.scheduler.shared, self._token

        def check(call: Call) -> None:
            token = str(call.metadata.get("authn-token", ""))
            worker = shared.holder(token)
            acting.act_for(worker.repo() if worker is not None else None)
            if wanted and worker is None and not hmac.compare_digest(token, wanted):
                raise errors.Unauthenticated(
                    "no authentication token (try setting the context's session_token to the daemon's token)"
                )

        return check

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        try:
            self.port = self._server.add_insecure_port(self.address)
        except RuntimeError:
            self.store.close()
            raise errors.PachydermError(
                f"port {self.port} on {self.host} is taken: choose another one with --port"
            ) from None
        collection.drop_left(self.store)
        self._server.start()
        self.store.announce(self.address)
        self.clock.start()
        self.keeper.start()
        self.scheduler.shared.port = self.port
        self.scheduler.start()

    def stop(self, grace: float = 0.5) -> None:
        if self._stopped.is_set():
            return
        self._stopped.set()
        self.clock.stop()
        self.keeper.stop()
        self.scheduler.stop()
        self._server.stop(grace).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.store.close()
