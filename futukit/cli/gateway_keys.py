"""``futukit gateway keys add | list | remove``: the file of API keys.

``add`` prints the new key as the only line on stdout, once; the file keeps its hash. What else
there is to say goes to stderr.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from futukit.errors import UsageError
from futukit.gateway.keys import (
    MARKETS,
    SCOPES,
    SIDES,
    Key,
    KeyStore,
    expiry,
    make_key,
    order_value,
)

__all__ = ["add_arguments", "run"]

_DAYS: Final = re.compile(r"([1-9][0-9]{0,4})d")
_DAY_SECONDS: Final = 86_400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``add``, ``list`` and ``remove`` and their options."""
    operations = parser.add_subparsers(dest="operation", required=True, metavar="OPERATION")
    _declare_add(operations.add_parser("add", help="make a key and print it once"))
    _declare_keys(operations.add_parser("list", help="show names, scopes and limits"))
    remove = operations.add_parser("remove", help="take a key away")
    _declare_keys(remove)
    remove.add_argument("--name", required=True, help="name of the key")


def _declare_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keys", default="keys.json", metavar="FILE", help="[keys.json]")


def _declare_add(parser: argparse.ArgumentParser) -> None:
    _declare_keys(parser)
    add = parser.add_argument
    add("--name", required=True, help="what logs and lists call it")
    add("--scope", required=True, metavar="WORDS", help=f"with commas: {', '.join(SCOPES)}")
    add("--markets", metavar="WORDS", help=f"only these, with commas: {', '.join(MARKETS)}")
    add("--symbols", metavar="CODES", help="only these securities, with commas: HK.00700,US.AAPL")
    add("--sides", metavar="WORDS", help=f"only these sides of orders: {','.join(SIDES)}")
    add("--max-order-value", metavar="X", help="largest price times quantity of an order")
    add("--orders-per-minute", metavar="N", help="most orders and changes in 60 seconds")
    add("--accounts", metavar="NUMBERS", help="only these accounts, with commas")
    add("--expires", metavar="WHEN", help="2027-01-31, 2027-01-31T12:00:00Z (UTC), or 30d")


def run(options: argparse.Namespace, out: TextIO, *, now: float | None = None) -> None:
    """Carry out what ``add_arguments`` has read, with ``out`` for stdout.

    ``now`` is Unix seconds, the clock's by default. Raises UsageError.
    """
    _OPERATIONS[options.operation](options, out, time.time() if now is None else now)


def _add(options: argparse.Namespace, out: TextIO, now: float) -> None:
    key, text = make_key(options.name, _words("--scope", options.scope), **_limits(options, now))
    KeyStore(options.keys).add(key)
    print(text, file=out, flush=True)
    print(f"key {key.name!r} is in {options.keys}; its text is not shown again", file=sys.stderr)


def _list(options: argparse.Namespace, out: TextIO, now: float) -> None:
    for key in KeyStore.load(options.keys).keys:
        print("  ".join(_described(key, now)), file=out)


def _remove(options: argparse.Namespace, _out: TextIO, _now: float) -> None:
    key = KeyStore.load(options.keys).remove(options.name)
    print(f"key {key.name!r} is removed from {options.keys}", file=sys.stderr)


_OPERATIONS: Final[dict[str, Callable[[argparse.Namespace, TextIO, float], None]]] = {
    "add": _add,
    "list": _list,
    "remove": _remove,
}


def _described(key: Key, now: float) -> list[str]:
    """A key in words: its name, its scopes, then each limit that it has."""
    words = [key.name, ",".join(key.scopes) or "no scope"]
    for name in ("markets", "symbols", "sides", "accounts"):
        limit = getattr(key, name)
        if limit:
            words.append(f"{name}={','.join(map(str, limit))}")
    for name in ("max_order_value", "orders_per_minute", "expires"):
        limit = getattr(key, name)
        if limit is not None:
            words.append(f"{name}={limit}")
    if key.expired(now):
        words.append("(expired)")
    return words


# What stands behind the options.


def _limits(options: argparse.Namespace, now: float) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    for name in ("markets", "symbols", "sides"):
        given = getattr(options, name)
        if given is not None:
            limits[name] = _words(f"--{name}", given)
    if options.max_order_value is not None:
        limits["max_order_value"] = order_value(options.max_order_value)
    if options.orders_per_minute is not None:
        limits["orders_per_minute"] = _integer("--orders-per-minute", options.orders_per_minute)
    if options.accounts is not None:
        words = _words("--accounts", options.accounts)
        limits["accounts"] = tuple(_integer("--accounts", word) for word in words)
    if options.expires is not None:
        limits["expires"] = _expires(options.expires, now)
    return limits


def _words(option: str, text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(","))
    # An empty limit would be none: the opposite of what one who writes it means.
    if "" in words:
        raise UsageError(f"{option}: an empty word in {text!r}")
    return words


def _integer(option: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(2**64))):
        raise UsageError(f"{option}: {text!r} is not a whole number")
    return int(text)


def _expires(text: str, now: float) -> str:
    days = _DAYS.fullmatch(text)
    if days is None:
        moment = expiry(text)
    else:
        moment = datetime.fromtimestamp(now + int(days[1]) * _DAY_SECONDS, UTC)
    if moment.timestamp() <= now:
        raise UsageError(f"--expires: {text!r} is in the past")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
