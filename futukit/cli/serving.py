"""What the commands that serve have in common: ports on the command line, and an end by signal."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any

__all__ = ["done_before", "port", "set_on_hangup", "stop_on_signals"]


def port(text: str) -> int:
    """Read a port for argparse; 0 is any free one."""
    number = int(text)
    if not 0 <= number < 2**16:
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535, not {number}")
    return number


def stop_on_signals(stopped: asyncio.Event) -> None:
    """Set the event at SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()

    def stop(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopped.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:
            # Windows: no signals in its event loop. Ctrl-C arrives this way; nothing sends
            # SIGTERM there.
            signal.signal(number, stop)


def set_on_hangup(asked: asyncio.Event) -> None:
    """Set the event at SIGHUP, which would end the process otherwise."""
    number = getattr(signal, "SIGHUP", None)
    if number is not None:  # Windows has none
        asyncio.get_running_loop().add_signal_handler(number, asked.set)


async def done_before(stopped: asyncio.Event, work: Coroutine[Any, Any, object]) -> bool:
    """Wait for the work, or cancel it when the event is set. Tells whether it was done."""
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
    if working.cancelled():
        return False
    working.result()
    return True
