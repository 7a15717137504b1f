"""A child process with futukit's asyncio clients, all of one server: the gateway or its upstream.

Run as ``python -m benchmarks.gateway_clients URL COUNT``. It prints ``{"connected": COUNT}`` once
they are, and then answers each line of its input:

``{"do": "calls", "count": n}``
    GetGlobalState (1002) so often by the first client, one after the other: ``seconds`` of each.
``{"do": "burst", "count": n, "in_flight": m}``
    The same with ``m`` of them under way at a time: ``seconds`` for all.
``{"do": "subscribe", "codes": […]}``
    Every client subscribes to tickers, with a callback for their pushes.
``{"do": "take", "count": n, "code": c}``
    The first client subscribes to a code that nobody has yet, so that a gateway has to ask for
    it, and an armed ``benchmarks.source`` pushes; ``seconds`` until each client has so many.

A process of its own with one event loop for its life: grpcio's asyncio face wants no other. It
ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from futukit import aio
from futukit.enums import SubType
from futukit.messages import qot_update_ticker

__all__ = ["Clients", "main"]

_PATIENCE: Final = 60.0
_CONNECTING: Final = 20  # at a time, so that no server's backlog is full


class Clients:
    """The clients. Each command is a method; what it returns is its answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: list[aio.Client] = []
        self._left = 0
        self._done: asyncio.Future[None] | None = None
        self.commands: dict[str, Callable[..., Awaitable[object]]] = {
            "calls": self.calls,
            "burst": self.burst,
            "subscribe": self.subscribe,
            "take": self.take,
        }

    async def connect(self, count: int) -> None:
        """Connect so many."""
        while (missing := count - len(self._clients)) > 0:
            some = (aio.connect(self._url) for _ in range(min(missing, _CONNECTING)))
            self._clients += await asyncio.gather(*some)

    async def close(self) -> None:
        """Close all."""
        await asyncio.gather(*(client.close() for client in self._clients))

    async def calls(self, count: int) -> list[float]:
        """Seconds of each of ``count`` round trips, one after the other."""
        call = self._clients[0].system.get_global_state
        clock = time.perf_counter
        gc.collect()
        spent = []
        for _ in range(count):
            started = clock()
            await call()
            spent.append(clock() - started)
        return spent

    async def burst(self, count: int, in_flight: int) -> float:
        """Seconds for ``count`` round trips, so many of them at a time."""
        call = self._clients[0].system.get_global_state
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                await call()

        gc.collect()
        started = time.perf_counter()
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as workers:
            for _ in range(in_flight):
                workers.create_task(work())
        return time.perf_counter() - started

    async def subscribe(self, codes: Sequence[str]) -> int:
        """Have every client get the ticker pushes of these codes."""
        for client in self._clients:
            client.on(qot_update_ticker.Response, self._on_push)
            await client.quote.subscribe(codes, [SubType.TICKER], first_push=False)
        return len(self._clients)

    async def take(self, count: int, code: str) -> float:
        """Seconds until every client has ``count`` pushes, which come of subscribing ``code``."""
        self._left = count * len(self._clients)
        self._done = asyncio.get_running_loop().create_future()
        gc.collect()
        started = time.perf_counter()
        await self._clients[0].quote.subscribe([code], [SubType.TICKER], first_push=False)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._done
        except TimeoutError:
            raise TimeoutError(f"{self._left} pushes did not come") from None
        return time.perf_counter() - started

    def _on_push(self, _s2c: object) -> None:
        self._left -= 1
        if not self._left and self._done is not None:
            self._done.set_result(None)


async def _obey(url: str, count: int) -> None:
    clients = Clients(url)
    try:
        await clients.connect(count)
        _say(connected=count)
        while line := await asyncio.to_thread(sys.stdin.readline):
            command: dict[str, Any] = json.loads(line)
            _say(seconds=await clients.commands[command.pop("do")](**command))
    finally:
        await clients.close()


def _say(**answer: object) -> None:
    print(json.dumps(answer), flush=True)


def main(arguments: Sequence[str]) -> None:
    """Read the command line and obey."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_clients")
    parser.add_argument("url", metavar="URL")
    parser.add_argument("count", type=int, metavar="COUNT")
    chosen = parser.parse_args(arguments)
    asyncio.run(_obey(chosen.url, chosen.count))


if __name__ == "__main__":
    main(sys.argv[1:])
