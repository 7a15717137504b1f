"""``futukit demo``: everything at once against a simulator of its own."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console

from futukit import aio
from futukit.cli.live import Live
from futukit.cli.screen import screen_for
from futukit.cli.watch import show
from futukit.enums import KLType
from futukit.messages.qot_common import KLine
from futukit.sim import SimulatedOpenD

__all__ = ["run"]

_CODES: Final = ["HK.00700", "HK.09988", "HK.00005", "HK.02800", "SH.600519", "SZ.300750"]
_HISTORY_CODE: Final = "HK.00700"
_BARS: Final = 1000
_DAYS: Final = 1600
"""Calendar days that hold the trading days of so many day bars, holidays included."""


def run(seconds: float, seed: int) -> None:
    """Simulate, connect, watch for ``seconds``, fetch history, sum up."""
    asyncio.run(_demo(seconds, seed))


async def _demo(seconds: float, seed: int) -> None:
    console = Console()
    async with SimulatedOpenD(seed=seed) as opend, aio.connect(opend.url) as client:
        state = await client.system.get_global_state()
        print(f"simulated OpenD {state.server_ver} on {opend.url}, connection ready")
        live = Live(client, _CODES)
        await live.start()
        with screen_for(console, _CODES) as screen:
            shown = await show(live, screen, seconds)
        began = time.perf_counter()
        bars = await _history(client, datetime.fromtimestamp(state.time, UTC))
        milliseconds = (time.perf_counter() - began) * 1000
    print(f"pushes: {live.pushes} received, {shown} quotes and tickers shown")
    print(f"history: {len(bars)} day bars of {_HISTORY_CODE} in {milliseconds:.0f} ms")
    for name, bar in (("first", bars[0]), ("last", bars[-1])):
        print(f"  {name} {_bar_text(bar)}")


async def _history(client: aio.Client, now: datetime) -> list[KLine]:
    """The newest bars."""
    begin = (now - timedelta(days=_DAYS)).date()
    found = client.quote.history(_HISTORY_CODE, KLType.DAY, begin, now.date())
    return [bar async for bar in found][-_BARS:]


def _bar_text(bar: KLine) -> str:
    prices = f"open {bar.open_price} high {bar.high_price} low {bar.low_price}"
    return f"{bar.time} {prices} close {bar.close_price} volume {bar.volume}"
