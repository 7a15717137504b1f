"""Runs cases on one face, the official SDK or ours; either interpreter can run it.

``python -m tests.differential.worker --face futu``: one command per line of JSON on standard
input, one answer per line on standard output (``{"result": …}`` or ``{"error": traceback}``):

    {"do": "system", "method": "enable_proto_encrypt", "args": [true]}     of SysConfig
    {"do": "open", "name": "a", "kind": "quote", "kwargs": {"port": 11111}}
    {"do": "call", "name": "a", "method": "get_stock_quote", "args": […], "kwargs": {…}, "as": "x"}
    {"do": "read", "name": "a", "attribute": "status"}
    {"do": "until", "name": "a", "attribute": "status", "is": "READY", "seconds": 5}
    {"do": "listen", "name": "a", "kind": "ticker"}
    {"do": "received", "name": "a", "kind": "ticker", "count": 3, "seconds": 5}
    {"do": "close_all"}
    {"do": "names"}

Arguments are those of arguments.py, results those of describe.py; ``call``, ``open`` and
``system`` describe an exception as a result. What a face prints goes to standard error.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import queue
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

# Before the import of a face: the console log of the official one takes hold of standard output.
ANSWERS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

from tests.differential.arguments import Builder  # noqa: E402
from tests.differential.describe import describe, raised  # noqa: E402
from tests.differential.names import CONTEXTS, HANDLERS  # noqa: E402

_POLL_SECONDS: Final = 0.005


class Worker:
    """The contexts of one face and the commands on them."""

    def __init__(self, face: Any) -> None:
        self._face = face
        self._builder = Builder(face)
        self._contexts: dict[str, Any] = {}
        self._inbox: defaultdict[tuple[str, str], queue.Queue[Any]] = defaultdict(queue.Queue)

    def system(
        self, method: str, args: list[Any] | None = None, kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self._outcome(getattr(self._face.SysConfig, method), args, kwargs)

    def open(self, name: str, kind: str, kwargs: dict[str, Any]) -> Any:
        try:
            made = getattr(self._face, CONTEXTS[kind])(**self._keyword(kwargs))
        except Exception as error:  # noqa: BLE001 - what a constructor raises is compared
            return raised(error)
        self._contexts[name] = made
        return {"kind": "opened", "class": type(made).__name__}

    def call(
        self,
        name: str | dict[str, Any],
        method: str,
        args: list[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        **keep: str,
    ) -> Any:
        target = self._contexts.get(name) if isinstance(name, str) else self._builder.built(name)
        bound = getattr(target, method, None)
        if bound is None:
            return {"kind": "missing"}
        return self._outcome(bound, args, kwargs, keep.get("as"))

    def read(self, name: str, attribute: str) -> Any:
        return describe(getattr(self._contexts[name], attribute))

    def until(self, name: str, attribute: str, seconds: float, **wanted: Any) -> Any:
        """Read until it is as wanted. A method is called; nothing else tells when it changes."""
        deadline = time.monotonic() + seconds
        while True:
            found = getattr(self._contexts[name], attribute)
            found = found() if callable(found) else found
            if ("is" in wanted and found == wanted["is"]) or (
                "not" in wanted and found != wanted["not"]
            ):
                return describe(True)
            if time.monotonic() > deadline:
                return describe(found)
            time.sleep(_POLL_SECONDS)

    def listen(self, name: str, kind: str) -> Any:
        base = getattr(self._face, HANDLERS[kind], None)
        if base is None:
            return {"kind": "missing"}
        inbox = self._inbox[name, kind]

        def on_recv_rsp(handler: Any, rsp_pb: Any) -> Any:
            try:
                returned = base.on_recv_rsp(handler, rsp_pb)
            except Exception as error:
                inbox.put(raised(error))
                raise
            inbox.put(describe(returned))
            return returned

        handler_type = type(f"Noting{base.__name__}", (base,), {"on_recv_rsp": on_recv_rsp})
        return self._outcome(self._contexts[name].set_handler, [], {}, None, handler_type())

    def refused_handler(self, name: str) -> Any:
        """What set_handler says to something that is no handler."""
        return self._outcome(self._contexts[name].set_handler, [], {}, None, object())

    def received(self, name: str, kind: str, count: int, seconds: float) -> Any:
        """The next ``count`` of a kind; fewer if no further one comes in ``seconds``."""
        taken: list[Any] = []
        while len(taken) < count:
            try:
                taken.append(self._inbox[name, kind].get(timeout=seconds))
            except queue.Empty:
                break
        return taken

    def managed(self, kind: str, kwargs: dict[str, Any]) -> Any:
        """A context in a ``with`` block: its state inside and what is left outside."""
        with getattr(self._face, CONTEXTS[kind])(**self._keyword(kwargs)) as context:
            inside = str(context.status)
            global_state = context.get_global_state()[0]
        self._contexts["managed"] = context
        return describe([inside, global_state, context.get_sync_conn_id()])

    def close_all(self) -> None:
        """Close every context and forget what was returned."""
        for context in self._contexts.values():
            context.close()
        self._contexts.clear()
        self._inbox.clear()
        self._builder.returned.clear()

    def names(self) -> Any:
        """Public methods of the contexts, public names of the face."""
        methods = {
            kind: sorted(n for n in dir(getattr(self._face, name, None)) if not n.startswith("_"))
            for kind, name in CONTEXTS.items()
        }
        return {"methods": methods, "all": sorted(getattr(self._face, "__all__", []))}

    def _keyword(self, kwargs: dict[str, Any] | None) -> dict[str, Any]:
        return {key: self._builder.built(item) for key, item in (kwargs or {}).items()}

    def _outcome(
        self,
        called: Callable[..., Any],
        args: list[Any] | None,
        kwargs: dict[str, Any] | None,
        keep: str | None = None,
        *objects: Any,
    ) -> Any:
        positional = [*objects, *(self._builder.built(item) for item in args or [])]
        keyword = self._keyword(kwargs)
        try:
            returned = called(*positional, **keyword)
        except Exception as error:  # noqa: BLE001 - what a method raises is compared
            return raised(error)
        if keep is not None:
            self._builder.returned[keep] = returned
        return describe(returned)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--face", required=True, help="module: futu or futukit.futu")
    face = importlib.import_module(parser.parse_args().face)
    face.SysConfig.set_all_thread_daemon(True)
    worker = Worker(face)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"result": getattr(worker, command.pop("do"))(**command)}
        except Exception:  # noqa: BLE001 - the test shows whatever went wrong
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=ANSWERS, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
