"""Runs in the official SDK's environment: the SDK does what it is told and takes the time.

Started by ``benchmarks.official`` as a script; it imports nothing of this repository. Each line
of its input is a command, answered with one line:

``load`` {name, path, proto_id}     read bodies out of a file of frames
``decode`` {name, first, count}     bodies → the SDK's own tables; processor seconds
``connect`` {port}                  open a quote context
``pushes`` {handler, count}         subscribe, take so many pushes; seconds
``history`` {count}                 so many request_history_kline of 1000 rows; seconds of each
``calls`` {count}                   so many GetGlobalState round trips; seconds of each

The SDK is used as a user gets it, its logging included.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HEADER = struct.Struct("<2sIBBII20s8x")
HISTORY_KLINES = 3103

# The columns that the SDK gives the table of request_history_kline.
HISTORY_COLUMNS = (
    *("code", "name", "time_key", "open", "close", "high", "low", "pe_ratio", "turnover_rate"),
    *("volume", "turnover", "change_rate", "last_close"),
)


class Worker:
    """The SDK and what was loaded so far."""

    def __init__(self) -> None:
        self.futu: Any = importlib.import_module("futu")
        self.utils: Any = importlib.import_module("futu.common.utils")
        self.bodies: dict[str, list[bytes]] = {}
        self.decoders: dict[str, Callable[[bytes], object]] = {}
        self.context: Any = None
        self.left = 0
        self.done = threading.Event()

    def load(self, *, name: str, path: str, proto_id: int) -> dict[str, object]:
        """Keep the bodies of a file of frames under a name."""
        data = Path(path).read_bytes()
        bodies = []
        start = 0
        while start < len(data):
            following = start + HEADER.size + HEADER.unpack_from(data, start)[5]
            bodies.append(data[start + HEADER.size : following])
            start = following
        self.bodies[name] = bodies
        self.decoders[name] = self.decoder(proto_id)
        return {"loaded": len(bodies)}

    def decoder(self, proto_id: int) -> Callable[[bytes], object]:
        """From a body to what the SDK gives its user."""
        parse = self.utils.binary2pb
        protobuf = self.futu.ProtoFMT.Protobuf
        if proto_id == HISTORY_KLINES:
            query = importlib.import_module("futu.quote.quote_query").RequestHistoryKlineQuery
            table = importlib.import_module("pandas").DataFrame

            def history(body: bytes) -> object:
                _, _, content = query.unpack_rsp(parse(body, proto_id, protobuf))
                return table(content[0], columns=HISTORY_COLUMNS)

            return history
        handler = handler_class(self.futu, proto_id)()
        return lambda body: handler.on_recv_rsp(parse(body, proto_id, protobuf))

    def decode(self, *, name: str, first: int, count: int) -> dict[str, object]:
        """Decode bodies from number ``first`` on, cyclically."""
        bodies = self.bodies[name]
        decode = self.decoders[name]
        chosen = [bodies[(first + number) % len(bodies)] for number in range(count)]
        decode(chosen[0])
        gc.collect()
        started = time.thread_time()
        for body in chosen:
            decode(body)
        return {"seconds": time.thread_time() - started}

    def connect(self, *, port: int) -> dict[str, object]:
        """Open the context that the next two commands use."""
        self.context = self.futu.OpenQuoteContext(host="127.0.0.1", port=port)
        return {"status": str(self.context.status)}

    def pushes(self, *, handler: str, count: int) -> dict[str, object]:
        """Subscribe and take ``count`` ticker pushes, raw or as DataFrames."""
        self.left = count
        self.done.clear()
        self.context.set_handler(self.counting(handler))
        gc.collect()
        started = time.perf_counter()
        code, message = self.context.subscribe(
            ["HK.00700"], [self.futu.SubType.TICKER], is_first_push=False
        )
        if code != self.futu.RET_OK:
            return {"error": message}
        if not self.done.wait(100):
            return {"error": f"{self.left} pushes did not come"}
        return {"seconds": time.perf_counter() - started}

    def counting(self, handler: str) -> object:
        """A ticker handler that sets ``done`` after the last push."""
        worker = self
        base: Any = self.futu.TickerHandlerBase

        def on_recv_rsp(self: Any, message: Any) -> None:
            if handler == "table":
                base.on_recv_rsp(self, message)
            worker.left -= 1
            if not worker.left:
                worker.done.set()

        return type("Counting", (base,), {"on_recv_rsp": on_recv_rsp})()

    def history(self, *, count: int) -> dict[str, object]:
        """One page of K-lines after the other, as tables."""
        request = self.context.request_history_kline
        return timed(lambda: request("HK.00700", max_count=1000), count)

    def calls(self, *, count: int) -> dict[str, object]:
        """One round trip after the other."""
        return timed(self.context.get_global_state, count)


def timed(call: Callable[[], Any], count: int) -> dict[str, object]:
    """Seconds of each of so many calls; the first answer must be one."""
    if call()[0] != 0:
        return {"error": "the call fails"}
    gc.collect()
    spent = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        spent.append(time.perf_counter() - started)
    return {"seconds": spent}


def handler_class(futu: Any, proto_id: int) -> Any:
    """The SDK's handler that turns a push into its table."""
    return {
        3005: futu.StockQuoteHandlerBase,
        3011: futu.TickerHandlerBase,
        3013: futu.OrderBookHandlerBase,
    }[proto_id]


def main() -> None:
    """Obey until the input ends."""
    # The SDK prints: what it says must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker()
    answers.write(json.dumps({"ready": True}) + "\n")
    for line in sys.stdin:
        command = json.loads(line)
        action = getattr(worker, command.pop("do"))
        answers.write(json.dumps(action(**command)) + "\n")
    # Its threads are not all daemons: without this the process would stay.
    os._exit(0)


if __name__ == "__main__":
    main()
