"""Calls of one request over the gateway's doors, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc.aio
from msgspec.structs import replace

from futukit import codec
from futukit.gateway.answers import outcome_of
from futukit.messages import init_connect
from futukit.messages.futu_service import REQUEST, FutuRequest, FutuResponse
from tests.unit.sim.raw_client import INIT_CONNECT, RawClient

SECONDS = 10.0


class Said(NamedTuple):
    """How a call ended: with an answer (``status`` is OK), or with a refusal of the gateway.

    In frames a refusal is an answer, too.
    """

    status: str
    ret_type: int
    text: str
    body: bytes = b""


def key_name(name: str) -> str:
    """A name like ``only qot:read`` as a keys file takes it."""
    return name.replace(" ", "-").replace(":", ".")


def bearer(key: str | None) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with a key; None is without."""
    return () if key is None else (("authorization", f"Bearer {key}"),)


class GrpcDoor:
    """The gRPC door, by plain grpcio: all keys over one channel."""

    def __init__(self, channel: Any) -> None:
        self._request = channel.unary_unary(REQUEST)

    async def call(self, key: str | None, proto_id: int, body: bytes) -> Said:
        """Call with the bytes of a body."""
        asked = codec.encode(FutuRequest(proto_id=proto_id, body=body))
        try:
            data = await self._request(asked, metadata=bearer(key), timeout=SECONDS)
        except grpc.aio.AioRpcError as error:
            return Said(error.code().name, 0, error.details() or "")
        answer = codec.decode(FutuResponse, data)
        assert answer.proto_id == proto_id
        found = answer.body or b""
        assert outcome_of(found) == (answer.ret_type or 0, answer.ret_msg or "")
        return Said("OK", answer.ret_type or 0, answer.ret_msg or "", found)


class FramesDoor:
    """The door for frames over TCP: a connection for each key, which stays."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._clients: dict[str, RawClient] = {}

    def client(self, key: str) -> RawClient:
        """The connection of a key."""
        if key not in self._clients:
            self._clients[key] = RawClient(self._port, client_id=key)
        return self._clients[key]

    async def call(self, key: str, proto_id: int, body: bytes) -> Said:
        """Call with the bytes of a whole Request. The greeting is a connection of its own."""
        act: Callable[[str, int, bytes], Said] = self._call
        if proto_id == INIT_CONNECT:
            act = self._greet
        return await asyncio.to_thread(act, key, proto_id, body)

    def _call(self, key: str, proto_id: int, body: bytes) -> Said:
        return _said(self.client(key).call_bytes(proto_id, body).body)

    def _greet(self, key: str, proto_id: int, body: bytes) -> Said:
        request = codec.decode(init_connect.Request, body)
        hello = replace(request, c2s=replace(request.c2s, client_id=key))
        with RawClient(self._port, hello=False) as raw:
            return _said(raw.call_bytes(proto_id, codec.encode(hello)).body)

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            client.close()


def _said(body: bytes) -> Said:
    return Said("OK", *outcome_of(body), body)
