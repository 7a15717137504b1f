"""A child process that serves many clients: the gateway, or the least that a server can be.

Run as ``python -m benchmarks.shared_server KIND``, where KIND is

``gateway``
    futukit's gateway with its default settings, in front of the OpenD at ``--upstream``.
``streams``
    asyncio's streams: it introduces itself, and then reads and says nothing.
``grpc``
    grpcio's asyncio server with the service's two methods: one canned answer, silent streams.

It prints ``{"ports": {"tcp": N, …}}``. Each line of its input it answers, after a collection of
garbage, with ``{"resident_bytes": N}``, its memory. It ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks import baseline, source
from futukit import codec
from futukit.messages.futu_service import REQUEST, SUBSCRIBE_PUSH, FutuRequest, FutuResponse

__all__ = ["KINDS", "main", "resident_bytes"]

_HOST: Final = "127.0.0.1"
_INIT_CONNECT: Final = 1001

_Ports = Mapping[str, int]


def resident_bytes() -> int:
    """The memory of this process. Raises OSError where there is no /proc."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def _gateway(upstream: str) -> AsyncIterator[_Ports]:
    from futukit.gateway import Gateway, GatewayPorts, GatewaySettings

    ports = GatewayPorts(grpc=0, tcp=0, ws=0)
    async with Gateway(GatewaySettings(upstream=upstream), ports) as gateway:
        yield gateway.ports.schemes(tls=False)


@asynccontextmanager
async def _streams(_upstream: str) -> AsyncIterator[_Ports]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = await reader.readexactly(baseline.HEADER.size)
        _, _, _, _, serial, length, _ = baseline.HEADER.unpack(header)
        await reader.readexactly(length)
        writer.write(baseline.build(_INIT_CONNECT, serial, source.introduction(1)))
        while await reader.read(65536):
            pass
        writer.close()

    server = await asyncio.start_server(serve, _HOST, 0)
    # Not ``async with``: on its way out it would wait for the clients to go.
    try:
        yield {"tcp": server.sockets[0].getsockname()[1]}
    finally:
        server.close()


@asynccontextmanager
async def _grpc(_upstream: str) -> AsyncIterator[_Ports]:
    import grpc.aio

    answers = {
        proto_id: codec.encode(
            FutuResponse(ret_type=0, proto_id=proto_id, body=bytes(frame[baseline.HEADER.size :]))
        )
        for proto_id, frame in source.canned().items()
    }

    async def request(data: bytes, _context: Any) -> bytes:
        return answers[codec.decode(FutuRequest, data).proto_id or 0]

    async def subscribe(_data: bytes, context: Any) -> None:
        await context.send_initial_metadata(())
        await asyncio.Event().wait()

    server = grpc.aio.server()
    service, _, name = REQUEST[1:].partition("/")
    methods = {
        name: grpc.unary_unary_rpc_method_handler(request),
        SUBSCRIBE_PUSH.rpartition("/")[2]: grpc.unary_stream_rpc_method_handler(subscribe),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    port = server.add_insecure_port(f"{_HOST}:0")
    await server.start()
    try:
        yield {"grpc": port}
    finally:
        await server.stop(None)


KINDS: Final = {"gateway": _gateway, "streams": _streams, "grpc": _grpc}


async def _serve(serving: AbstractAsyncContextManager[_Ports]) -> None:
    async with serving as ports:
        _say(ports=dict(ports))
        while await asyncio.to_thread(sys.stdin.readline):
            gc.collect()
            _say(resident_bytes=resident_bytes())


def _say(**answer: object) -> None:
    print(json.dumps(answer), flush=True)


def main(arguments: Sequence[str]) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared_server")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--upstream", default="", metavar="URL")
    chosen = parser.parse_args(arguments)
    asyncio.run(_serve(KINDS[chosen.kind](chosen.upstream)))


if __name__ == "__main__":
    main(sys.argv[1:])
