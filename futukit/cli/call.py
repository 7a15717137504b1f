"""``futukit call``: one request from JSON, its answer as JSON."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final

from msgspec import Struct

from futukit import sync
from futukit.codec.plain import from_plain, to_plain
from futukit.codec.plan import plan_of
from futukit.errors import UsageError
from futukit.messages import registry

__all__ = ["request_of", "run"]

# JSON lets these pass as they are; a terminal would obey them.
_CONTROLS: Final = re.compile("[\x7f-\x9f]")

# What the session fills in: whoever writes JSON by hand need not.
_FILLED: Final[dict[str, Any]] = {
    "packet_id": {"connID": 0, "serialNo": 0},
    "user_id": 0,
}


def run(
    proto: str,
    c2s: str,
    *,
    url: str,
    timeout: float | None,
    compact: bool,
    trace: bool = False,
) -> None:
    """Send the request and print its S2C; ``trace`` writes every packet to stderr.

    Raises UsageError before anything is sent.
    """
    proto_id, request = request_of(proto, sys.stdin.read() if c2s == "-" else c2s)
    options: dict[str, Any] = {} if timeout is None else {"connect_timeout": timeout}
    if trace:
        options["trace"] = True
    with sync.connect(url, **options) as client:
        answer = client.call(proto_id, request, timeout=timeout)
    indent, separators = (None, (",", ":")) if compact else (2, None)
    text = json.dumps(
        to_plain(answer),
        ensure_ascii=False,
        allow_nan=False,
        indent=indent,
        separators=separators,
    )
    print(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def request_of(proto: str, text: str) -> tuple[int, Struct]:
    """The proto id that is meant, and its Request made of JSON text.

    Raises UsageError for an id that cannot be called from JSON, for text that is not JSON and
    for parameters that do not fit.
    """
    row = registry.row(int(proto)) if _is_number(proto) else registry.by_name(proto)
    if row.kind != "request":
        raise UsageError(f"{row.name} ({row.proto_id}) is a push; it cannot be called")
    if row.module is None:
        raise UsageError(f"{row.name} ({row.proto_id}) has no schema; only call_bytes can send it")
    if row.proto_id in _SESSION_IDS:
        raise UsageError(f"{row.name} ({row.proto_id}) is sent by the connection itself")
    request = registry.request_class(row.proto_id)
    targets: dict[str, Any] = {field[1]: field[6] for field in plan_of(request).fields}
    if "c2s" not in targets:
        return row.proto_id, from_plain(request, _parameters(text))
    c2s = targets["c2s"]
    return row.proto_id, request(c2s=from_plain(c2s, _completed(c2s, _parameters(text))))


_SESSION_IDS: Final = frozenset({1001, 1004})


def _is_number(proto: str) -> bool:
    return proto.isascii() and proto.isdigit()


def _parameters(text: str) -> Any:
    try:
        return json.loads(text or "{}", parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise UsageError(f"the parameters are not JSON: {error}") from error
    except (RecursionError, ValueError) as error:
        raise UsageError(f"the parameters cannot be read: {error}") from error


def _refuse_constant(word: str) -> Any:
    raise UsageError(f"the parameters are not JSON: {word} is not a number")


def _completed(c2s: type[Struct], parameters: Any) -> Any:
    """The parameters with what the session will put in, unless they were given."""
    if not isinstance(parameters, dict):
        return parameters
    whole = dict(parameters)
    for _, attribute, name, json_name, *_ in plan_of(c2s).fields:
        spellings = {attribute, name, json_name}
        if attribute in _FILLED and not spellings & parameters.keys():
            whole[name] = _FILLED[attribute]
    return whole
