"""One way to drive both faces, so that every test of a client's behaviour is written once.

A driver has the blocking signature of the client's methods. The asyncio one runs its client in
an event loop in a thread.
"""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from futukit import aio, sync

WAIT = 5.0


def states_of(client: Any) -> queue.Queue[Any]:
    """Every state change of a client from now on."""
    states: queue.Queue[Any] = queue.Queue()
    client.on_state(states.put)
    return states


def until(states: queue.Queue[Any], state: str) -> Any:
    """The next change to ``state``."""
    while True:
        change = states.get(timeout=WAIT)
        if change.state.value == state:
            return change


class BlockingDriver:
    """The blocking client as it is, with calls in the background."""

    def __init__(self, client: sync.Client) -> None:
        self.client: Any = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def start(self, use: Callable[[Any], Any]) -> Future[Any]:
        """Begin something that takes its time."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(use(self.client))
            except BaseException as error:  # noqa: BLE001  (whatever it is, it is the result)
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def history(self, *args: Any, **options: Any) -> list[Any]:
        return list(self.client.quote.history(*args, **options))


class BlockingFace:
    name = "blocking"

    def connect(self, url: str, **options: Any) -> Any:
        return BlockingDriver(sync.connect(url, **options))

    def close(self) -> None:
        """Nothing is shared."""


class AsyncioPushes:
    def __init__(self, face: AsyncioFace, pushes: aio.Pushes[Any]) -> None:
        self._face = face
        self._pushes = pushes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pushes, name)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._face.run(self._pushes.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        self._face.run(self._pushes.close)


class AsyncioGroup:
    def __init__(self, face: AsyncioFace, group: Any) -> None:
        self._face = face
        self._group = group

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._group, name)
        return lambda *args, **options: self._face.run(lambda: method(*args, **options))


class AsyncioDriver:
    """The asyncio client behind blocking methods."""

    def __init__(self, face: AsyncioFace, client: aio.Client) -> None:
        self._face = face
        self.client = client
        for name in ("system", "quote", "trade"):
            setattr(self, name, AsyncioGroup(face, getattr(client, name)))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.client, name)
        if not inspect.ismethod(value):
            return value
        return lambda *args, **options: self._face.run(lambda: value(*args, **options))

    def pushes(self, *args: Any, **options: Any) -> AsyncioPushes:
        return AsyncioPushes(
            self._face, self._face.run(lambda: self.client.pushes(*args, **options))
        )

    def start(self, use: Callable[[Any], Any]) -> Future[Any]:
        return self._face.start(lambda: use(self.client))

    def history(self, *args: Any, **options: Any) -> list[Any]:
        async def collect() -> list[Any]:
            return [bar async for bar in self.client.quote.history(*args, **options)]

        found: list[Any] = self._face.run(collect)
        return found


class AsyncioFace:
    name = "asyncio"

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def connect(self, url: str, **options: Any) -> Any:
        async def connected() -> aio.Client:
            return await aio.connect(url, **options)

        return AsyncioDriver(self, self.run(connected))

    def start(self, use: Callable[[], Any]) -> Future[Any]:
        async def run() -> Any:
            result = use()
            return await result if inspect.isawaitable(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self._loop)

    def run(self, use: Callable[[], Any]) -> Any:
        return self.start(use).result(WAIT)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT)
        self._loop.close()
