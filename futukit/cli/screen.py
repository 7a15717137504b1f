"""Showing happenings: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from futukit.cli.live import Happening, Quote, Trade
from futukit.cli.outcome import printable
from futukit.messages.qot_common import BasicQot, TickerDirection

__all__ = ["Lines", "Screen", "TableScreen", "screen_for"]

_TRADES_SHOWN: Final = 8
_COLOURS: Final = {TickerDirection.BID: "green", TickerDirection.ASK: "red"}


class Screen(Protocol):
    """What ``watch`` and ``demo`` show on."""

    def show(self, happening: Happening) -> None:
        """Take in what happened."""

    def refresh(self) -> None:
        """Bring what was taken in before the eyes."""

    def __enter__(self) -> Screen: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def screen_for(console: Console, codes: list[str]) -> Screen:
    """A table where the console is a terminal, else lines."""
    return TableScreen(console, codes) if console.is_terminal else Lines()


class Lines:
    """One line for each happening, words separated by spaces, flushed with each refresh."""

    def show(self, happening: Happening) -> None:
        """Print the line."""
        print(printable(line_of(happening)))

    def refresh(self) -> None:
        """Flush."""
        print(end="", flush=True)

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.refresh()


def line_of(happening: Happening) -> str:
    """``HK.00700 quote 09:30:01 590.5 +1.20% volume 1200`` and its like."""
    if isinstance(happening, Quote):
        row = happening.row
        when, change = time_of_day(row.update_time), change_text(row)
        return f"{happening.code} quote {when} {row.cur_price} {change} volume {row.volume}"
    if isinstance(happening, Trade):
        trade = happening.row
        when, side = time_of_day(trade.time), trade.dir.name.lower()
        return f"{happening.code} ticker {when} {trade.price} x {trade.volume} {side}"
    return f"state {happening.text}"


def change_text(row: BasicQot) -> str:
    """The day's change in percent, with its sign; ``-`` where there is no close before."""
    if not row.last_close_price:
        return "-"
    return f"{(row.cur_price / row.last_close_price - 1) * 100:+.2f}%"


def time_of_day(text: str) -> str:
    """The clock's part of an exchange time."""
    return text.partition(" ")[2] or text


class TableScreen:
    """Quotes in a table, the newest trades below, the connection's state above."""

    def __init__(self, console: Console, codes: list[str]) -> None:
        self._quotes: dict[str, BasicQot | None] = dict.fromkeys(codes)
        self._trades: deque[Trade] = deque(maxlen=_TRADES_SHOWN)
        self._status = ""
        self._counts = {"quotes": 0, "tickers": 0}
        self._live = RichLive(console=console, auto_refresh=False)

    def show(self, happening: Happening) -> None:
        """Remember what is to be shown."""
        if isinstance(happening, Quote):
            self._counts["quotes"] += 1
            self._quotes[happening.code] = happening.row
        elif isinstance(happening, Trade):
            self._counts["tickers"] += 1
            self._trades.appendleft(happening)
        else:
            self._status = happening.text

    def refresh(self) -> None:
        """Draw."""
        self._live.update(self.render(), refresh=True)

    def render(self) -> RenderableType:
        """The whole picture."""
        counts = ", ".join(f"{number} {what}" for what, number in self._counts.items())
        heading = _cell(f"{self._status} · {counts}", "dim")
        return Group(heading, self._quote_table(), self._trade_table())

    def _quote_table(self) -> Table:
        table = Table(expand=True)
        table.add_column("security")
        table.add_column("name")
        for title in ("price", "change", "high", "low", "volume", "time"):
            table.add_column(title, justify="right")
        for code, row in self._quotes.items():
            if row is None:
                table.add_row(code, "", "…")
            else:
                table.add_row(*_quote_cells(code, row))
        return table

    def _trade_table(self) -> Table:
        table = Table(expand=True, title="tickers, newest first")
        table.add_column("time")
        table.add_column("security")
        for title in ("price", "volume", "side"):
            table.add_column(title, justify="right")
        for trade in self._trades:
            row = trade.row
            side = _cell(row.dir.name.lower(), _COLOURS.get(row.dir, ""))
            cells = time_of_day(row.time), trade.code, str(row.price), f"{row.volume:,}"
            table.add_row(*(_cell(cell) for cell in cells), side)
        for _ in range(_TRADES_SHOWN - len(self._trades)):
            table.add_row()
        return table

    def __enter__(self) -> TableScreen:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.refresh()
        self._live.stop()


def _quote_cells(code: str, row: BasicQot) -> list[Text]:
    change = change_text(row)
    colour = {"+": "green", "-": "red"}.get(change[0], "") if change != "-" else ""
    return [
        _cell(code),
        _cell(row.name or ""),
        _cell(str(row.cur_price)),
        _cell(change, colour),
        _cell(str(row.high_price)),
        _cell(str(row.low_price)),
        _cell(f"{row.volume:,}"),
        _cell(time_of_day(row.update_time)),
    ]


def _cell(text: str, style: str = "") -> Text:
    """Text that neither rich nor the terminal takes for instructions."""
    return Text(printable(text), style=style)
