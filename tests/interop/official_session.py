"""Drives the official Python SDK; runs with the interpreter of the SDK's own environment.

One command per line of JSON on standard input, one answer per line on standard output:

    {"do": "configure", "as_json": false, "encrypt": false, "rsa_file": null}
    {"do": "identify", "client_id": "…"}
    {"do": "connect", "name": "a", "port": 11111, "reconnect_seconds": 6, "kind": "quote"}
    {"do": "call", "name": "a", "method": "get_stock_quote", "arguments": {…}, "enums": {…}}
    {"do": "received", "name": "a", "kind": "ticker", "count": 3, "seconds": 10, "enums": {…}}
    {"do": "close", "name": "a"}

``enums`` maps a column to the SDK's class for it: the SDK's word comes back as its number. Bytes
travel as ``{"hex": "…"}``, tables as lists of rows. Whatever the SDK prints goes to standard
error. The process ends with standard input, threads of the SDK or not.
"""

from __future__ import annotations

import json
import math
import os
import queue
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable
from typing import Any

# Before the import: the SDK's console log takes hold of standard output.
ANSWERS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import futu  # type: ignore[import-not-found]  # noqa: E402


class Inbox:
    """What arrived on one context, by kind."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, queue.Queue[Any]] = defaultdict(queue.Queue)

    def put(self, kind: str, content: Any) -> None:
        self._queues[kind].put(content)

    def take(self, kind: str, count: int, seconds: float) -> list[Any]:
        """The next ``count`` of a kind; fewer if no further one comes in ``seconds``."""
        taken: list[Any] = []
        while len(taken) < count:
            try:
                taken.append(self._queues[kind].get(timeout=seconds))
            except queue.Empty:
                break
        return taken


class Noting:
    """A context of the SDK, with a note of each time it has connected."""

    def __init__(self, inbox: Inbox, **options: Any) -> None:
        self._inbox = inbox
        super().__init__(**options)

    def on_api_socket_reconnected(self) -> tuple[int, str]:
        outcome: tuple[int, str] = super().on_api_socket_reconnected()  # type: ignore[misc]
        self._inbox.put("connected", outcome)
        return outcome


class QuoteContext(Noting, futu.OpenQuoteContext):  # type: ignore[misc]
    """For quotes."""


class TradeContext(Noting, futu.OpenSecTradeContext):  # type: ignore[misc]
    """For the accounts of Hong Kong."""


CONTEXTS: dict[str, Any] = {"quote": QuoteContext, "trade": TradeContext}
HANDLERS = {
    "order": futu.TradeOrderHandlerBase,
    "deal": futu.TradeDealHandlerBase,
    "quote": futu.StockQuoteHandlerBase,
    "kline": futu.CurKlineHandlerBase,
    "rt": futu.RTDataHandlerBase,
    "ticker": futu.TickerHandlerBase,
    "order_book": futu.OrderBookHandlerBase,
    "broker": futu.BrokerHandlerBase,
    "notify": futu.SysNotifyHandlerBase,
}


def listen(context: Any, inbox: Inbox) -> None:
    """Have every push put into the inbox, as the SDK's own handler gives it."""
    for kind, base in HANDLERS.items():

        def on_recv_rsp(self: Any, rsp_pb: Any, *, _base: Any = base, _kind: str = kind) -> Any:
            outcome = _base.on_recv_rsp(self, rsp_pb)
            inbox.put(_kind, outcome)
            return outcome

        handler_type = type(f"Handler_{kind}", (base,), {"on_recv_rsp": on_recv_rsp})
        context.set_handler(handler_type())


def plain(value: Any, enums: dict[str, str]) -> Any:
    """A value as JSON can carry it."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [plain(row, enums) for row in value.to_dict("records")]
    if isinstance(value, dict):
        return {str(k): plain(number_of(v, enums.get(k)), enums) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, enums) for item in value]
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if hasattr(value, "item"):  # a number of numpy's
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def number_of(value: Any, enum: str | None) -> Any:
    """The protocol's number of an SDK word, if ``enum`` names its class and knows it."""
    if enum is None or not isinstance(value, str):
        return value
    known, number = getattr(futu, enum).to_number(value)
    return number if known else value


def argument(value: Any) -> Any:
    """An argument as the SDK takes it."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) and "hex" in value else value


class Session:
    """The contexts and the commands on them."""

    def __init__(self) -> None:
        self._contexts: dict[str, Any] = {}
        self._inboxes: dict[str, Inbox] = {}

    def connect(
        self, name: str, port: int, reconnect_seconds: float = 6, kind: str = "quote"
    ) -> Any:
        inbox = self._inboxes[name] = Inbox()
        context = CONTEXTS[kind](inbox, host="127.0.0.1", port=port)
        self._contexts[name] = context
        context.reconnect_interval = reconnect_seconds
        listen(context, inbox)
        return {"connection_id": context.get_sync_conn_id()}

    def call(
        self,
        name: str,
        method: str,
        arguments: dict[str, Any],
        enums: dict[str, str] | None = None,
    ) -> Any:
        given = {key: argument(value) for key, value in arguments.items()}
        return plain(getattr(self._contexts[name], method)(**given), enums or {})

    def received(
        self,
        name: str,
        kind: str,
        count: int,
        seconds: float,
        enums: dict[str, str] | None = None,
    ) -> Any:
        return plain(self._inboxes[name].take(kind, count, seconds), enums or {})

    def status(self, name: str) -> Any:
        return str(self._contexts[name].status)

    def close(self, name: str) -> Any:
        self._contexts.pop(name).close()
        return None


def configure(as_json: bool, encrypt: bool, rsa_file: str | None) -> None:
    """What every context of this process does; the SDK has it as global settings."""
    futu.SysConfig.set_proto_fmt(futu.ProtoFMT.Json if as_json else futu.ProtoFMT.Protobuf)
    futu.SysConfig.enable_proto_encrypt(encrypt)
    if rsa_file is not None:
        futu.SysConfig.set_init_rsa_file(rsa_file)


def identify(client_id: str) -> None:
    """Who every context to come says it is."""
    futu.SysConfig.set_client_info(client_id, 1)


def main() -> None:
    futu.SysConfig.set_all_thread_daemon(True)
    session = Session()
    commands: dict[str, Callable[..., Any]] = {
        "configure": configure,
        "identify": identify,
        "connect": session.connect,
        "call": session.call,
        "received": session.received,
        "status": session.status,
        "close": session.close,
    }
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"result": commands[command.pop("do")](**command)}
        except Exception:  # noqa: BLE001 - the test shows whatever the SDK raised
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer, default=vars), file=ANSWERS, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
