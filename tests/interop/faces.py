"""The same request through both of our faces, on connections of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import msgspec

from futukit import aio, sync
from futukit.messages.qot_common import SubType

_SECONDS = 10.0


class Subscribed:
    """What has to be subscribed on a connection before a pull is answered."""

    def __init__(self, codes: Sequence[str] = (), sub_types: Sequence[SubType] = ()) -> None:
        self.codes = codes
        self.sub_types = sub_types


def ask(url: str, method: str, subscribed: Subscribed | None = None, /, **arguments: Any) -> Any:
    """What ``client.<method>(**arguments)`` gives; both faces must agree."""
    blocking = _without_connection(_ask_blocking(url, method, subscribed, arguments))
    awaited = asyncio.run(_ask_awaited(url, method, subscribed, arguments))
    assert _without_connection(awaited) == blocking
    return blocking


def _without_connection(answer: Any) -> Any:
    """The answer without the id of the connection that it came on."""
    if getattr(answer, "conn_id", None) is None:
        return answer
    return msgspec.structs.replace(answer, conn_id=None)


def _ask_blocking(
    url: str, method: str, subscribed: Subscribed | None, arguments: dict[str, Any]
) -> Any:
    group, name = method.split(".")
    with sync.connect(url) as client:
        if subscribed is not None:
            client.quote.subscribe(subscribed.codes, subscribed.sub_types, push=False)
        return getattr(getattr(client, group), name)(**arguments)


async def _ask_awaited(
    url: str, method: str, subscribed: Subscribed | None, arguments: dict[str, Any]
) -> Any:
    group, name = method.split(".")
    async with aio.connect(url) as client:
        if subscribed is not None:
            await client.quote.subscribe(subscribed.codes, subscribed.sub_types, push=False)
        return await getattr(getattr(client, group), name)(**arguments)


def both_pushed(
    url: str,
    push_type: type[Any],
    subscribed: Subscribed,
    make: Callable[[], int],
) -> list[Any]:
    """The pushes that come after ``make()``, which says how many; both faces must agree."""
    return asyncio.run(_both_pushed(url, push_type, subscribed, make))


async def _both_pushed(
    url: str, push_type: type[Any], subscribed: Subscribed, make: Callable[[], int]
) -> list[Any]:
    with sync.connect(url) as blocking_client:
        async with aio.connect(url) as client:
            awaited = client.pushes(push_type)
            blocking = blocking_client.pushes(push_type)
            await client.quote.subscribe(subscribed.codes, subscribed.sub_types)
            blocking_client.quote.subscribe(subscribed.codes, subscribed.sub_types)
            count = make()
            async with asyncio.timeout(_SECONDS):
                theirs = [await anext(awaited) for _ in range(count)]
                ours = await asyncio.to_thread(lambda: list(islice(blocking, count)))
    assert theirs == ours
    return ours
