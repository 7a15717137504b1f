"""What the commands that serve have in common: ports on the command line, and an end by signal."""

from __future__ import annotations

import argparse
import asyncio
import signal
from types import FrameType

__all__ = ["port", "stop_on_signals"]


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
