"""The gRPC door of the simulated OpenD: the same market, peers and quota as behind the others.

gRPC has no session, so a client is a connection (its peer address): what it subscribed goes to
the streams of pushes on that connection, and ends with the last of them. A client that has no
stream yet may call all the same; its pushes wait, the oldest make room, and it is forgotten when
it has said nothing for a while.

InitConnect and KeepAlive are answered here, and nothing depends on them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from hmac import compare_digest
from typing import Any, Final

from futukit import codec
from futukit.channels.serving_grpc import GrpcListener, abort, bearer
from futukit.core.grpc_bodies import whole_request
from futukit.core.session.machine import INIT_CONNECT, KEEP_ALIVE
from futukit.errors import DecodeError, UsageError
from futukit.messages import init_connect, keep_alive
from futukit.messages.common import RetType
from futukit.messages.futu_service import FutuRequest, FutuResponse
from futukit.sim.app import OpenD
from futukit.sim.faults import Fault
from futukit.sim.grpc_client import CUT, GARBAGE, GrpcClient, spoiled

__all__ = ["GrpcDoor"]

_IDLE_SECONDS: Final = 60.0
"""A client without a stream is forgotten after so much silence."""


class GrpcDoor:
    """Serves one OpenD over gRPC. All methods belong to the event loop that called ``listen``."""

    def __init__(self, opend: OpenD) -> None:
        self._opend = opend
        settings = opend.settings
        tls = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            tls = (settings.tls_cert, settings.tls_key)
        self._listener = GrpcListener(self._request, self._subscribe, tls=tls)
        self._clients: dict[str, GrpcClient] = {}
        self.slow_clients_cut = 0

    async def listen(self, host: str, port: int) -> int:
        """Listen on one port, under TLS where there is a certificate; returns it.

        Raises OSError where that cannot be.
        """
        return await self._listener.listen(host, port)

    async def stop(self) -> None:
        """Stop listening and end every call."""
        await self._listener.stop()
        for client in tuple(self._clients.values()):
            self._forget(client)

    async def settle(self) -> None:
        """Let the streams take what was written; cut who has no mind to read."""
        for client in tuple(self._clients.values()):
            for stream in tuple(client.streams):
                await stream.settle(self._opend.settings.patience_seconds)

    # The calls.

    async def _request(self, data: bytes, context: Any) -> bytes:
        client = await self._admit(context)
        try:
            asked = codec.decode(FutuRequest, data)
            response = self._answer(client, asked.proto_id or 0, asked.body or b"")
        except DecodeError as error:
            await abort(context, "INVALID_ARGUMENT", str(error))
        proto_id = asked.proto_id or 0
        answer = FutuResponse(
            ret_type=int(response.ret_type),
            ret_msg=response.ret_msg,
            proto_id=proto_id,
            body=codec.encode(response),
        )
        # What a handler wants done afterwards: the answer is on its way by then.
        asyncio.get_running_loop().call_soon(self._follow_up, client)
        fault = self._opend.faults.take(client.connection_id, proto_id)
        if fault is not None:
            return await self._strike(fault, client, answer, context)
        return codec.encode(answer)

    async def _subscribe(self, data: bytes, context: Any) -> None:
        del data
        client = await self._admit(context)
        stream = client.open_stream()
        try:
            await context.send_initial_metadata(())
            await stream.pump(context.write)
        finally:
            client.streams.discard(stream)
            if not client.streams:
                self._forget(client)
        self.slow_clients_cut += stream.is_slow
        # Only now: to a client that does not read this takes as long as it likes.
        await abort(context, "UNAVAILABLE", stream.reason)

    def _answer(self, client: GrpcClient, proto_id: int, body: bytes) -> Any:
        """The Response to a request. Raises DecodeError for a body that is no request."""
        if proto_id == KEEP_ALIVE:
            s2c = keep_alive.S2C(time=int(self._opend.now))
            return keep_alive.Response(ret_type=RetType.SUCCEED, s2c=s2c)
        if proto_id == INIT_CONNECT:
            return init_connect.Response(ret_type=RetType.SUCCEED, s2c=client.welcome)
        with suppress(UsageError):  # no such request: the OpenD says so, with a retType
            body = whole_request(proto_id, body)
        return self._opend.answer(client.peer, proto_id, body)

    def _follow_up(self, client: GrpcClient) -> None:
        afterwards, client.peer.after_reply = client.peer.after_reply, []
        if client.connection_id in self._opend.peers:
            for callback in afterwards:
                callback()

    async def _strike(
        self, fault: Fault, client: GrpcClient, answer: FutuResponse, context: Any
    ) -> bytes:
        if fault.kind == "silence":
            await asyncio.Event().wait()  # until the client gives up
        elif fault.kind == "delay":
            due = asyncio.Event()
            self._opend.timetable.at(self._opend.now + fault.seconds, due.set)
            await due.wait()
        elif fault.kind == "cut":
            client.cut(CUT)
            await abort(context, "UNAVAILABLE", CUT)
        elif fault.what != "body":
            return GARBAGE
        else:
            body = spoiled(answer.body or b"")
            answer = FutuResponse(proto_id=answer.proto_id, body=body)
        return codec.encode(answer)

    # Clients.

    async def _admit(self, context: Any) -> GrpcClient:
        """The client that calls, which may be a new one; the wrong ones are sent away."""
        key = self._opend.settings.grpc_key
        if key is not None and not compare_digest((bearer(context) or "").encode(), key.encode()):
            await abort(context, "UNAUTHENTICATED", "no API key, or not the right one")
        name: str = context.peer()
        now = asyncio.get_running_loop().time()
        client = self._clients.get(name)
        if client is None:
            self._forget_idle(now)
            limit = self._opend.settings.max_connections
            if len(self._opend.peers) >= limit:
                await abort(context, "UNAVAILABLE", f"too many connections: {limit} are open")
            client = self._clients[name] = GrpcClient(self._opend, name)
        client.heard = now
        return client

    def _forget_idle(self, now: float) -> None:
        for client in tuple(self._clients.values()):
            if not client.streams and now - client.heard > _IDLE_SECONDS:
                self._forget(client)

    def _forget(self, client: GrpcClient) -> None:
        if self._clients.get(client.name) is client:
            del self._clients[client.name]
            self._opend.forget(client.connection_id)
