"""A running gateway: one client of OpenD, one hub, and the doors to it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

from futukit import aio
from futukit.channels.tls import server_context
from futukit.core.client import ClientState, StateChange
from futukit.endpoint import is_local
from futukit.errors import ConnectError, UsageError
from futukit.gateway.access import Access
from futukit.gateway.audit import Audit
from futukit.gateway.frames_door import FramesDoor
from futukit.gateway.grpc_door import GrpcDoor
from futukit.gateway.grpc_services import Services
from futukit.gateway.hub import Hub
from futukit.gateway.keys import KeyStore
from futukit.gateway.metrics import Metrics, MetricsPort
from futukit.gateway.records import Records
from futukit.gateway.settings import GatewayPorts, GatewaySettings

__all__ = ["Counts", "Gateway"]

_logger: Final = logging.getLogger("futukit.gateway")

_ANY_GRPC_PORT: Final = GatewayPorts(grpc=0)
_HOUSEKEEPING_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 2.0
_STOPPING: Final = "the gateway stops"


class Counts(NamedTuple):
    """What a gateway holds at a moment: all 0 when its clients have gone.

    ``subscriptions`` counts topics of clients, ``topics`` those taken from OpenD (which stay until
    they are a minute old), ``requests`` those under way, ``tasks`` the hub's own.
    """

    clients: int
    streams: int
    requests: int
    subscriptions: int
    topics: int
    tasks: int


class Gateway:
    """Serves one OpenD to many clients. For the event loop that starts it.

    ::

        async with Gateway(GatewaySettings(upstream="tcp://127.0.0.1:11111")) as gateway:
            async with futukit.aio.connect(gateway.url("grpc")) as client: ...
    """

    def __init__(self, settings: GatewaySettings, ports: GatewayPorts = _ANY_GRPC_PORT) -> None:
        self.settings = settings
        self.ports = GatewayPorts()
        self.metrics = Metrics()
        self.hub: Hub
        self._wanted = ports
        self._store: KeyStore | None = None
        self._services = Services()
        self._grpc: GrpcDoor | None = None
        self._frames: FramesDoor | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Gateway:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect to OpenD and serve; ``ports`` then says where.

        Raises UsageError for settings, keys or files that cannot be used, ConnectError where OpenD
        is not there or a port cannot be had.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        settings, wanted = self.settings, self._wanted
        settings.check_ports(wanted, is_local=is_local(settings.host))
        if settings.keys is not None:
            self._store = KeyStore.load(Path(settings.keys))
        tls = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            tls = server_context(settings.tls_cert, settings.tls_key)
        records = Records(self.metrics, Audit(settings.audit, self.metrics.audit_lost.inc))
        self._stack.callback(records.audit.close)
        limit = None if settings.rate_limit == "off" else settings.rate_limit
        client = await aio.connect(settings.upstream, client_id="futukit-gateway", rate_limit=limit)
        self._stack.push_async_callback(client.close)
        access = Access(self._store)
        self.hub = Hub(
            client,
            access,
            records,
            max_members=settings.max_clients,
            under_way=settings.requests_under_way,
        )
        self._stack.push_async_callback(self.hub.close)
        self.ports = await self._listen(wanted, tls)
        self._stack.push_async_callback(self._wind_up, client)
        listener = client.on_state(self._upstream_changed)
        self._stack.callback(listener.close)
        await self._services.tell(up=client.state is ClientState.READY)
        self._measure()
        housekeeping = asyncio.create_task(self._keep_house())
        self._stack.push_async_callback(_end, housekeeping)

    async def _listen(self, wanted: GatewayPorts, tls: Any) -> GatewayPorts:
        settings = self.settings
        ports = GatewayPorts()
        if wanted.grpc is not None:
            pair = None if tls is None else (str(settings.tls_cert), str(settings.tls_key))
            self._grpc = GrpcDoor(
                self.hub,
                bare_answers=settings.answers == "s2c",
                queue_bytes=settings.queue_bytes,
                idle_seconds=settings.idle_seconds,
                tls=pair,
                services=(self._services.add_to,),
            )
            self._stack.push_async_callback(self._grpc.stop)
            ports = ports._replace(grpc=await self._serve(self._grpc.listen, wanted.grpc))
        if (wanted.tcp, wanted.tcps, wanted.ws) != (None, None, None):
            self._frames = FramesDoor(
                self.hub,
                rsa_key=settings.rsa_key,
                write_limit_bytes=settings.queue_bytes,
                under_way=settings.requests_under_way,
                max_connections=settings.max_clients,
                local_origins=settings.keys is None,
                turned_away=self.hub.records.turned_away,
                no_room=self.hub.records.no_room,
                slow_cut=self.metrics.slow_cut.inc,
            )
            self._stack.push_async_callback(self._frames.stop)
            for door, web_socket, under in (
                ("tcp", False, None),
                ("tcps", False, tls),
                ("ws", True, tls),
            ):
                port = getattr(wanted, door)
                if port is not None:
                    served = await self._serve(
                        self._frames.listen, port, web_socket=web_socket, tls=under
                    )
                    ports = ports._replace(**{door: served})
        if wanted.metrics is not None:
            metrics = MetricsPort(self.metrics, settings.host, wanted.metrics)
            self._stack.push_async_callback(asyncio.to_thread, metrics.close)
            ports = ports._replace(metrics=metrics.port)
        return ports

    async def _serve(self, listen: Any, port: int, **options: Any) -> int:
        host = self.settings.host
        try:
            found: int = await listen(host, port, **options)
        except OSError as error:
            raise ConnectError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        return found

    async def stop(self) -> None:
        """Close the doors, end every client, leave OpenD. Harmless to repeat."""
        await self._stack.aclose()

    def url(self, scheme: str) -> str:
        """The URL for a scheme that is served: grpc, grpcs, tcp, tcps, ws, wss, ft+ws, ft+wss."""
        schemes = self.ports.schemes(tls=self.settings.tls_cert is not None)
        if scheme not in schemes:
            raise UsageError(f"{scheme}:// is not served; there is {', '.join(schemes)}")
        host = self.settings.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{schemes[scheme]}"

    def reload(self) -> None:
        """Read the keys file again and reopen the audit file.

        Clients whose key is gone are ended; what a key may not have any more is taken from its
        clients, and they are told.

        A file that cannot be used changes nothing: the keys before stay in force, and UsageError
        is raised.
        """
        self.hub.records.audit.reopen()
        if self._store is not None:
            self._store.reload()
            self.hub.records.audit.write("keys_reloaded")
            self.hub.expel()
            self.hub.narrow()

    @property
    def counts(self) -> Counts:
        """What is held now."""
        book = self.hub.subscriptions.book
        return Counts(
            clients=len(self.hub.members),
            streams=0 if self._grpc is None else self._grpc.streams,
            requests=sum(member.under_way for member in self.hub.members.values()),
            subscriptions=book.holders,
            topics=len(book),
            tasks=self.hub.tasks,
        )

    def _upstream_changed(self, change: StateChange) -> None:
        if change.state is not ClientState.CONNECTING:
            self.hub.spawn(self._services.tell(up=change.state is ClientState.READY))

    async def _keep_house(self) -> None:
        """What is due by the clock: keys that expire, members that fell silent, old topics."""
        while True:
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
            try:
                self.hub.keep_house()
                if self._grpc is not None:
                    self._grpc.forget_gone()
                    self._grpc.forget_idle()
                self._measure()
            except Exception:
                # Of one fault everything else must not stop: keys have to expire.
                _logger.exception("a fault in the housekeeping")

    async def _wind_up(self, client: aio.Client) -> None:
        """Let requests under way come to their end for a moment; then leave OpenD.

        What is still under way is told so while its client is there: of an order, that it is in
        doubt.
        """
        self.hub.is_closing = True
        if self._grpc is not None:
            self._grpc.cut_streams(_STOPPING)
        await self.hub.quiet(_PATIENCE_SECONDS)
        await client.close()
        await self.hub.quiet(_PATIENCE_SECONDS)

    def _measure(self) -> None:
        counts = self.counts
        self.metrics.topics.set(counts.topics)
        self.metrics.holders.set(counts.subscriptions)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
