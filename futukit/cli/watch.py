"""``futukit watch``: live quotes and tickers until enough, or Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from rich.console import Console

from futukit import aio
from futukit.cli.live import Live, Status, checked_codes
from futukit.cli.screen import Screen, screen_for

__all__ = ["run", "show"]

_FRAME_SECONDS: Final = 0.2
"""A terminal is drawn at most so often."""


def run(
    codes: list[str],
    *,
    url: str,
    seconds: float | None,
    count: int | None,
    trace: bool = False,
) -> None:
    """Connect and show until ``seconds`` are over or ``count`` rows were shown.

    ``trace`` writes every packet to stderr.
    """
    options = {"trace": _tracing()} if trace else {}
    asyncio.run(_watch(checked_codes(codes), url, options, seconds, count))


def _tracing() -> bool | Callable[[str], object]:
    """The option ``trace``. While a table is drawn, it takes what goes to stderr and puts it above.

    That is right on a terminal only: a file gets its lines itself.
    """
    stream = sys.stderr
    return True if stream.isatty() else lambda line: stream.write(f"{line}\n")


async def _watch(
    codes: list[str],
    url: str,
    options: dict[str, Any],
    seconds: float | None,
    count: int | None,
) -> None:
    async with aio.connect(url, reconnect=True, **options) as client:
        live = Live(client, codes)
        await live.start()
        with screen_for(Console(), codes) as screen:
            await show(live, screen, seconds, count)


async def show(
    live: Live, screen: Screen, seconds: float | None = None, count: int | None = None
) -> int:
    """Show what happens; returns how many quotes and tickers were shown."""
    shown = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while count is None or shown < count:
                shown += await _show_frame(live, screen, None if count is None else count - shown)
    screen.refresh()
    return shown


async def _show_frame(live: Live, screen: Screen, most: int | None) -> int:
    """Wait for something, show all that is there, and draw once."""
    shown = 0
    happening = await live.queue.get()
    while True:
        screen.show(happening)
        shown += not isinstance(happening, Status)
        if live.queue.empty() or shown == most:
            break
        happening = live.queue.get_nowait()
    screen.refresh()
    if shown != most:
        await asyncio.sleep(_FRAME_SECONDS)
    return shown
