"""A connection's packets for people to read: one line each, decoded, without any secret.

::

    12:01:02.345 → 3001 Qot_Sub #3 c2s 57 B {"securityList":["HK.00700"],"subTypeList":[4],…
    12:01:02.346 ← 3001 Qot_Sub #3 Response 2 B {"retType":0}
    12:01:02.351 ← 3011 Qot_UpdateTicker #1 s2c json 412 B {"security":"HK.00700","tickerList":…

The parts of a line: the time, the direction (→ to OpenD, ← from it), proto id, name and serial,
what of the message is shown, the body format where it is JSON, the size of the plain body, and
the message in the spelling that ``futukit call`` takes. ``c2s`` and ``s2c`` stand for a message
that says nothing else; otherwise the whole message is shown under its own name. The fields that
``protos/secrets.toml`` lists are masked.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from futukit import codec
from futukit._native.frame import Envelope
from futukit.codec.masks import MASK, secrets_of
from futukit.codec.plain import to_plain
from futukit.core.session.machine import INIT_WEB_SOCKET, Observer
from futukit.errors import DecodeError, UsageError
from futukit.messages import registry
from futukit.types import join_security

__all__ = ["DEFAULT_WIDTH", "FROM_OPEND", "TO_OPEND", "Account", "Kind", "Tracer", "observer_for"]

DEFAULT_WIDTH: Final = 200
"""So many characters a line has at most, unless told otherwise."""

TO_OPEND: Final = "→"
FROM_OPEND: Final = "←"

Kind: TypeAlias = Literal["request", "response"]
"""Whether a packet goes to OpenD or comes from it, pushes too."""

_JSON: Final = 1
_ABSENT_RET_TYPE: Final = -400
_SECURITY: Final = "Qot_Common.Security"
_logger: Final = logging.getLogger("futukit.trace")


class Tracer:
    """An observer of a session's packets that writes a line about each.

    ``write`` gets the lines, without a line end. ``width`` is the most characters of a line,
    None for all. ``server`` says that the observed session is OpenD's side. ``clock`` gives the
    time of day.

    An error in ``write`` is logged once and does not reach the session.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        width: int | None = DEFAULT_WIDTH,
        server: bool = False,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._write = write
        self._width = _checked_width(width)
        self._sent: Kind = "response" if server else "request"
        self._received: Kind = "request" if server else "response"
        self._clock = clock
        self._has_failed = False

    def __call__(self, direction: Literal["sent", "received"], envelope: Envelope) -> None:
        """Write the line of a packet."""
        kind = self._sent if direction == "sent" else self._received
        try:
            time = self._clock().strftime("%H:%M:%S.%f")[:-3]
            self._write(Account.of(envelope, kind).line(time, self._width))
        except Exception:
            if not self._has_failed:
                self._has_failed = True
                _logger.exception("a line of the trace could not be written; told only once")


def observer_for(trace: object) -> Observer | None:
    """What the option ``trace`` means: True is stderr, a function gets the lines.

    None and False mean no trace; a :class:`Tracer` stands for itself. Raises UsageError for
    anything else.
    """
    if trace is None or trace is False:
        return None
    if isinstance(trace, Tracer):
        return trace
    if trace is True:
        return Tracer(_write_to_stderr)
    if callable(trace):
        return Tracer(trace)
    raise UsageError(f"option trace is True or a function that takes a line, not {trace!r}")


def _write_to_stderr(line: str) -> None:
    # In one piece: threads may write at the same time.
    sys.stderr.write(f"{line}\n")


def _checked_width(width: int | None) -> int | None:
    if width is not None and (isinstance(width, bool) or width < 1):
        raise UsageError(f"the width of a trace is 1 at least, or None, not {width!r}")
    return width


@dataclass(frozen=True, slots=True)
class Account:
    """What can be told of a packet.

    ``name`` is that of its proto id, ``"?"`` for an unknown one. ``kind`` says whether the packet
    goes to OpenD or comes from it (pushes too), None where that is not known. ``message`` is None
    for an id without a schema, and for a body that cannot be read: ``fault`` says why.
    """

    envelope: Envelope
    name: str
    kind: Kind | None
    message: Struct | None = None
    fault: str = ""

    @classmethod
    def of(cls, envelope: Envelope, kind: Kind | None = None) -> Account:
        """Decode a packet; without ``kind`` the body tells whether it is a request."""
        name = _name(envelope.proto_id)
        if kind is not None:
            message, fault = _decoded(envelope, kind)
            return cls(envelope, name, kind, message, _undecoded(fault))
        answer, answer_fault = _decoded(envelope, "response")
        if answer is not None and getattr(answer, "ret_type", 0) != _ABSENT_RET_TYPE:
            return cls(envelope, name, "response", answer)
        request, request_fault = _decoded(envelope, "request")
        if request is not None:
            return cls(envelope, name, "request", request)
        if answer is not None:
            return cls(envelope, name, "response", answer)
        return cls(envelope, name, None, None, _undecoded(request_fault, answer_fault))

    def line(self, mark: str, width: int | None = None) -> str:
        """One line, which begins with ``mark``, cut to ``width`` characters."""
        envelope = self.envelope
        arrow = {"request": TO_OPEND, "response": FROM_OPEND, None: "?"}[self.kind]
        parts = [mark, arrow, str(envelope.proto_id), self.name, f"#{envelope.serial}"]
        label, plain = self._shown()
        parts += [label] if label else []
        parts += ["json"] if envelope.body_format == _JSON else []
        size = f"{len(envelope.body)} B"
        parts.append(f"{size}, {self.fault}" if self.fault else size)
        if self.message is not None:
            parts.append(json.dumps(plain, ensure_ascii=False, separators=(",", ":")))
        return _cut(_escaped(" ".join(parts)), width)

    def plain(self) -> dict[str, Any] | None:
        """The whole message as plain values, secrets masked; None without a message."""
        return None if self.message is None else _plain(self.message, is_short=False)

    def _shown(self) -> tuple[str, Any]:
        """What of the message a line shows, and how it is called."""
        if self.message is None:
            return "", None
        plain = _plain(self.message, is_short=True)
        if plain.keys() == {"c2s"}:
            return "c2s", plain["c2s"]
        if "s2c" in plain and not any(plain[name] for name in plain.keys() - {"s2c"}):
            return "s2c", plain["s2c"]
        return type(self.message).__name__, plain


def _name(proto_id: int) -> str:
    if proto_id == INIT_WEB_SOCKET:
        return "InitWebSocket"
    try:
        return registry.row(proto_id).name
    except UsageError:
        return "?"


def _decoded(envelope: Envelope, kind: Kind) -> tuple[Struct | None, str]:
    """The message, or why there is none; neither for an id without a schema."""
    cls = _class(envelope.proto_id, kind)
    if cls is None:
        return None, ""
    try:
        return codec.decode_body(cls, envelope.body, envelope.body_format), ""
    except DecodeError as error:
        return None, str(error)


def _undecoded(*faults: str) -> str:
    text = "; ".join(fault for fault in faults if fault)
    return text and f"does not decode: {text}"


@lru_cache(maxsize=1024)
def _class(proto_id: int, kind: Kind) -> type[Struct] | None:
    if proto_id == INIT_WEB_SOCKET:
        from futukit.messages import init_web_socket

        return init_web_socket.Request if kind == "request" else init_web_socket.Response
    find = registry.request_class if kind == "request" else registry.response_class
    try:
        found: type[Struct] = find(proto_id)
    except UsageError:
        return None
    return found


# Messages as plain values, without secrets.

_Change: TypeAlias = Callable[[Any], Any]


def _plain(message: Struct, *, is_short: bool) -> dict[str, Any]:
    """Plain values with masks; ``is_short`` writes securities as texts."""
    plain = to_plain(message)
    for name, change in _changes(type(message), is_short):
        if name in plain:
            plain[name] = change(plain[name])
    return plain


@lru_cache(maxsize=4096)
def _changes(cls: type[Struct], is_short: bool) -> tuple[tuple[str, _Change], ...]:
    """What is to be changed in a message's plain values: field names and functions."""
    secrets = secrets_of(cls)
    found: list[tuple[str, _Change]] = []
    for _, attribute, name, _, kind, label, target, _ in codec.plan_of(cls).fields:
        change: _Change | None = _mask if attribute in secrets else None
        if change is None and kind == "message" and target is not None:
            change = _change(target, is_short)
        if change is not None:
            is_list = label == "repeated" and attribute not in secrets
            found.append((name, _in_list(change) if is_list else change))
    return tuple(found)


def _change(cls: type[Struct], is_short: bool) -> _Change | None:
    if is_short and codec.plan_of(cls).full_name == _SECURITY:
        return _short_security
    rows = _changes(cls, is_short)
    if not rows:
        return None

    def change(plain: dict[str, Any]) -> dict[str, Any]:
        for name, inner in rows:
            if name in plain:
                plain[name] = inner(plain[name])
        return plain

    return change


def _in_list(change: _Change) -> _Change:
    return lambda values: [change(value) for value in values]


def _mask(_: object) -> str:
    return MASK


def _short_security(plain: dict[str, Any]) -> Any:
    """``"HK.00700"``; a security without a code has no such form."""
    return join_security(plain["market"], plain["code"]) if plain["code"] else plain


# Lines.


def _escaped(text: str) -> str:
    """The text without what a terminal would obey or show wrongly: it comes from the net."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else json.dumps(c)[1:-1] for c in text])


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else f"{text[: width - 1]}…"
