"""What constructors and settings do, as a program sees it and as the server sees it.

Each script runs on one side and notes what it sees; both sides must note the same. The server's
view is what the simulated OpenD was told by InitConnect, and whether frames came in clear.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Final

import msgspec

from futukit.messages import init_connect
from futukit.sim import SimulatedOpenD
from tests.differential.compare import RET_OK
from tests.differential.describe import describe
from tests.differential.sides import Side, simulator
from tests.interop.modes import MODES
from tests.interop.relay import Relay

KINDS: Final = ("quote", "sec", "future")
_PLAIN: Final = next(mode for mode in MODES if mode.name == "plain")
_KEYED: Final = next(mode for mode in MODES if mode.name == "aes_cbc")
_CHOICES: Final = (None, True, False)
_GLOBAL_STATE: Final = 1002
_SECONDS: Final = 10.0

Seen = dict[str, Any]


def encryption(side: Side, key_file: Path) -> Seen:
    """``is_encrypt`` of every context, with the global setting both ways."""
    seen: Seen = {}
    side.configure(_KEYED, key_file)
    with simulator(_KEYED, key_file) as opend:
        for globally, choice, kind in product((False, True), _CHOICES, KINDS):
            _system(side, "enable_proto_encrypt", globally)
            kwargs = {} if choice is None else {"is_encrypt": choice}
            with Relay(opend.port) as relay:
                opened = side.do("open", name="c", kind=kind, kwargs={"port": relay.port, **kwargs})
                said = side.do("call", name="c", method="is_encrypt")
                side.do("call", name="c", method="get_global_state")
                clear = [frame.in_clear for frame in relay.wait_for(_GLOBAL_STATE, 2)]
                seen[f"{kind} {choice}, globally {globally}"] = [opened, said, *clear]
                side.do("close_all")
    side.configure(_PLAIN, key_file)
    keyless = {"port": 1, "is_encrypt": True}
    seen["no key"] = side.do("open", name="c", kind="quote", kwargs=keyless)
    return seen


def greeting(side: Side, key_file: Path) -> Seen:
    """What the server is told of the client: id, version, notices, push format."""
    seen: Seen = {}
    given: tuple[tuple[str, list[Any]], ...] = (
        ("default", []),
        ("named", ["Some program", 305]),
        ("version 0", ["x", 0]),
    )
    with _noted(key_file) as (opend, hellos):
        for name, arguments in given:
            if arguments:
                seen[f"set_client_info {name}"] = _system(side, "set_client_info", *arguments)
            for kind in KINDS:
                side.open("c", kind, opend.port)
                seen[f"{name}, {kind}"] = [_told(hellos.get(timeout=_SECONDS)), hellos.empty()]
                side.do("close_all")
    seen["restored"] = _system(side, "set_client_info", None, None)
    return seen


def settings(side: Side, key_file: Path) -> Seen:
    """Getters and setters of SysConfig, and what they refuse."""
    calls: tuple[tuple[Any, ...], ...] = (
        ("get_client_id",),
        ("get_client_ver",),
        ("get_proto_fmt",),
        ("is_proto_encrypt",),
        ("get_all_thread_daemon",),
        ("get_run_mode",),
        ("set_client_info", "Some program", 305),
        ("get_client_id",),
        ("get_client_ver",),
        ("set_client_info", "", 0),
        ("get_client_id",),
        ("get_client_ver",),
        ("set_client_info", None, None),
        ("set_proto_fmt", 1),
        ("get_proto_fmt",),
        ("set_proto_fmt", 0),
        ("get_proto_fmt",),
        ("set_proto_fmt", 7),
        ("set_proto_fmt", "Json"),
        ("enable_proto_encrypt", 1),
        ("is_proto_encrypt",),
        ("enable_proto_encrypt", False),
        ("is_proto_encrypt",),
        ("set_all_thread_daemon", False),
        ("get_all_thread_daemon",),
        ("set_all_thread_daemon", True),
        ("get_all_thread_daemon",),
        ("set_run_mode", "QUANT"),
        ("get_run_mode",),
        ("set_run_mode", "DEFAULT"),
        ("enable_console_log", False),
        ("set_init_rsa_file", str(key_file)),
        ("set_init_rsa_file", ""),
    )
    return {
        f"{at} {name} {args}": _system(side, name, *args) for at, (name, *args) in enumerate(calls)
    }


def firms(side: Side, key_file: Path) -> Seen:
    """``security_firm`` and ``filter_trdmarket``, valid and not."""
    seen: Seen = {}
    arguments: tuple[tuple[str, dict[str, Any]], ...] = (
        ("quote", {"security_firm": "FUTUINC"}),
        ("quote", {"security_firm": "NOBODY"}),
        ("sec", {"security_firm": "FUTUSECURITIES"}),
        ("sec", {"security_firm": "FUTUINC"}),
        ("sec", {"security_firm": "NOBODY"}),
        ("sec", {"filter_trdmarket": "US"}),
        ("sec", {"filter_trdmarket": "N/A"}),
        ("sec", {"filter_trdmarket": "CN"}),
        ("sec", {"filter_trdmarket": "FUTURES"}),
        ("future", {"security_firm": "FUTUSECURITIES"}),
        ("future", {"security_firm": 5}),
    )
    with simulator(_PLAIN, key_file) as opend:
        for kind, kwargs in arguments:
            name = f"{kind} {kwargs}"
            seen[name] = side.do(
                "open", name=name, kind=kind, kwargs={"port": opend.port, **kwargs}
            )
            if seen[name]["kind"] == "opened" and kind != "quote":
                seen[f"accounts of {name}"] = side.do("call", name=name, method="get_acc_list")
                funds = side.do("call", name=name, method="accinfo_query")
                seen[f"funds of {name}"] = _without_own_text(funds)
        side.do("close_all")
    return seen


def readiness(side: Side, key_file: Path) -> Seen:
    """The connection's id and the state, before and after the context is ready."""
    seen: Seen = {}
    with _noted(key_file) as (opend, hellos):
        side.open("waited", "quote", opend.port)
        hellos.get(timeout=_SECONDS)
        for method in ("get_sync_conn_id", "get_async_conn_id", "get_login_user_id"):
            seen[method] = side.do("call", name="waited", method=method)
        seen["status"] = side.do("read", name="waited", attribute="status")
        opend.fault("delay", proto_id=1001, seconds=5)
        side.do(
            "open",
            name="early",
            kind="quote",
            kwargs={"port": opend.port, "is_async_connect": True},
        )
        for method in ("get_sync_conn_id", "get_login_user_id"):
            seen[f"{method} before it is ready"] = side.do("call", name="early", method=method)
        seen["ready before"] = side.do("read", name="early", attribute="status") == [
            "str",
            "'READY'",
        ]
        # Once this is known, the answer is on hold, and the clock may move.
        hellos.get(timeout=_SECONDS)
        opend.advance(6)
        seen["until ready"] = side.do(
            "until", name="early", attribute="status", seconds=_SECONDS, **{"is": "READY"}
        )
        seen["id after"] = side.do("call", name="early", method="get_sync_conn_id")
        seen["answers"] = side.do("call", name="early", method="get_global_state")
        seen["reconnect_interval"] = side.do("read", name="early", attribute="reconnect_interval")
        timeout = side.do("call", name="early", method="set_sync_query_connect_timeout", args=[1.5])
        seen["set_sync_query_connect_timeout"] = timeout
        seen["managed"] = side.do("managed", kind="quote", kwargs={"port": opend.port})
        for name in ("waited", "early"):
            side.do("call", name=name, method="close")
            seen[f"{name} closed"] = side.do(
                "until", name=name, attribute="status", seconds=_SECONDS, **{"is": "CLOSED"}
            )
        refused = side.do("call", name="waited", method="get_global_state")
        seen["call after close"] = _without_own_text(refused)
        side.do("close_all")
    return seen


SCRIPTS: Final = {
    script.__name__: script for script in (encryption, greeting, settings, firms, readiness)
}


def _without_own_text(returned: Any) -> Any:
    """What was returned; of a refusal that is the face's own, only that there is a text."""
    code, content = returned["items"]
    return [code, content if code == RET_OK else content[0]]


def _system(side: Side, method: str, *args: Any) -> Any:
    built = [{"none": True} if value is None else value for value in args]
    return side.do("system", method=method, args=built)


@contextmanager
def _noted(
    key_file: Path,
) -> Iterator[tuple[SimulatedOpenD, queue.Queue[init_connect.C2S]]]:
    """A simulator, and what clients tell it of themselves."""
    hellos: queue.Queue[init_connect.C2S] = queue.Queue()
    with simulator(_PLAIN, key_file) as opend:
        join = opend.opend.join

        def noting(welcome: Any, hello: init_connect.C2S, sink: Any) -> Any:
            hellos.put(hello)
            return join(welcome, hello, sink)

        opend.opend.join = noting  # type: ignore[method-assign]
        yield opend, hellos


def _told(hello: init_connect.C2S) -> Any:
    return describe(msgspec.to_builtins(hello))
