"""The drop-in face as a contender, used as a program for the official SDK uses that."""

from __future__ import annotations

import gc
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.children import Child
from futukit import futu

__all__ = ["Face"]

_PATIENCE: Final = 100.0


class Face:
    """An OpenQuoteContext of futukit.futu, connected to a ``benchmarks.source``."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._opened = ExitStack()
        self._left = 0
        self._done = threading.Event()

    def __enter__(self) -> Self:
        # The benchmark must end even if a handler is still set.
        futu.SysConfig.set_all_thread_daemon(True)
        self._context = self._opened.enter_context(futu.OpenQuoteContext(port=self._port))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()
        futu.SysConfig.set_all_thread_daemon(False)

    def history(self, count: int) -> list[float]:
        """Seconds of each of so many requests for 1000 K-lines."""
        request = self._context.request_history_kline
        outcome, table, _ = request("HK.00700", max_count=1000)
        if outcome != futu.RET_OK or len(table) != 1000:
            raise ValueError(f"not the history: {table}")
        gc.collect()
        spent = []
        for _ in range(count):
            started = time.perf_counter()
            request("HK.00700", max_count=1000)
            spent.append(time.perf_counter() - started)
        return spent

    def take_tables(self, count: int) -> float:
        """Seconds for so many ticker pushes, each made a DataFrame."""
        return self._take(count, futu.TickerHandlerBase.on_recv_rsp)

    def take_typed(self, count: int) -> float:
        """Seconds for so many ticker pushes as typed messages."""
        return self._take(count, None)

    def ticker_columns(self, child: Child, stream: str) -> dict[str, list[Any]]:
        """The columns of one push, as the handler's DataFrame has them."""
        told: dict[str, list[Any]] = {}

        def keep(handler: Any, rsp_pb: Any) -> None:
            _, table = futu.TickerHandlerBase.on_recv_rsp(handler, rsp_pb)
            told.update(table.to_dict("list"))

        child.ask(arm=stream, first=0, count=1)
        self._take(1, keep)
        return told

    def _take(self, count: int, make: Any) -> float:
        face = self

        class Counting(futu.TickerHandlerBase):
            def on_recv_rsp(self, rsp_pb: Any) -> Any:
                outcome = None if make is None else make(self, rsp_pb)
                face._left -= 1
                if not face._left:
                    face._done.set()
                return outcome

        self._left = count
        self._done.clear()
        self._context.set_handler(Counting())
        gc.collect()
        started = time.perf_counter()
        outcome, message = self._context.subscribe(
            ["HK.00700"], [futu.SubType.TICKER], is_first_push=False
        )
        if outcome != futu.RET_OK:
            raise ValueError(message)
        if not self._done.wait(_PATIENCE):
            raise TimeoutError(f"{self._left} pushes did not come")
        return time.perf_counter() - started
