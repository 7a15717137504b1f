"""The options of ``connect``: keywords, or the URL's query (``tcp://host?request_timeout=3``).

A keyword wins over the query. Every option is a field of :class:`Options`; an unknown name or
an unusable value is a UsageError before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from futukit.errors import UsageError

__all__ = ["Options", "parse_options"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a client can be told. Times are in seconds.

    client_id: names this program to OpenD (InitConnect.clientID).
    client_version: InitConnect.clientVer, major * 100 + minor.
    receive_notify: whether OpenD sends Notify pushes (1003) on this connection.
    request_timeout: how long a call waits for its answer when it does not say otherwise.
    connect_timeout: for one try: name, TCP and InitConnect together.
    keepalive: between two KeepAlives; None is 4/5 of the interval that OpenD names.
    max_body_bytes: a longer body breaks the connection.
    reconnect: whether a lost connection is made again.
    reconnect_delay, reconnect_max_delay: the first and the longest wait between two tries.
    push_queue: how many pushes wait for a slow consumer when it does not say otherwise.
    body, push_format: the bodies' format, only "protobuf".
    encryption, rsa_key: only "none" and None.
    """

    client_id: str = "futukit"
    client_version: int = 1
    receive_notify: bool = True
    request_timeout: float = 12.0
    connect_timeout: float = 10.0
    keepalive: float | None = None
    max_body_bytes: int = 64 * 2**20
    reconnect: bool = True
    reconnect_delay: float = 0.5
    reconnect_max_delay: float = 30.0
    push_queue: int = 10_000
    body: str = "protobuf"
    push_format: str = "protobuf"
    encryption: str = "none"
    rsa_key: str | None = None


def parse_options(query: Mapping[str, str], keywords: Mapping[str, Any]) -> Options:
    """Read options from a URL's query (text) and from keywords (values); keywords win.

    Raises UsageError for an unknown option, a value of the wrong type or out of range, and for
    what this version does not support.
    """
    values: dict[str, Any] = {**query, **keywords}
    for name, value in values.items():
        if name not in _READERS:
            raise UsageError(f"unknown option {name!r}; known are {', '.join(_READERS)}")
        if value is not None or _DEFAULTS[name] is not None:
            values[name] = _READERS[name](name, value)
    options = Options(**values)
    if options.reconnect_max_delay < options.reconnect_delay:
        raise UsageError("reconnect_max_delay is below reconnect_delay")
    return options


def _seconds(name: str, value: object) -> float:
    try:
        # Anything may come in; what float() does not take is refused below.
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    if isinstance(value, bool) or not seconds > 0:
        raise UsageError(f"option {name} is a number of seconds above 0, not {value!r}")
    return seconds


def _count(name: str, value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        raise UsageError(f"option {name} is a whole number above 0, not {value!r}")
    return value


def _flag(name: str, value: object) -> bool:
    flags = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in flags:
        return flags[value.lower()]
    raise UsageError(f"option {name} is true or false, not {value!r}")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"option {name} is a text, not {value!r}")
    return value


def _only(name: str, value: object) -> object:
    supported = _DEFAULTS[name]
    if value != supported:
        # An rsa_key may be the key itself: never repeat it.
        shown = "" if name == "rsa_key" else f" {value!r}"
        raise UsageError(f"option {name}{shown} is not supported, only {supported!r}")
    return value


_Reader = Callable[[str, object], object]

_DEFAULTS: dict[str, object] = {field.name: field.default for field in fields(Options)}
_BY_TYPE: dict[str, _Reader] = {
    "str": _text,
    "int": _count,
    "bool": _flag,
    "float": _seconds,
    "float | None": _seconds,
}
_SINGLE_VALUED = ("body", "push_format", "encryption", "rsa_key")
_READERS: dict[str, _Reader] = {
    field.name: _only if field.name in _SINGLE_VALUED else _BY_TYPE[str(field.type)]
    for field in fields(Options)
}
