"""Where an OpenD listens: ``tcp://127.0.0.1:11111``, ``tcp://[::1]``, ``tcp://opend.lan``."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from futukit.errors import UsageError

__all__ = ["DEFAULT_PORTS", "Endpoint", "parse_endpoint"]

DEFAULT_PORTS = {"tcp": 11111}
"""Scheme → the port that is meant when a URL names none."""


class Endpoint(NamedTuple):
    """A parsed URL. ``query`` holds the options written behind the ``?``, still as text."""

    scheme: str
    host: str
    port: int
    query: dict[str, str]

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_endpoint(url: str) -> Endpoint:
    """Read a URL. The port may be left out (11111 for tcp).

    Raises UsageError, naming the schemes that are known, for anything that is not such a URL.
    """
    if not isinstance(url, str):
        raise UsageError(f"a URL is a text, not {type(url).__name__}")
    if "@" in url:
        # Never echo the URL here: what stands before the @ may be a password.
        raise UsageError("a URL with a user name is not supported")
    known = ", ".join(f"{scheme}://" for scheme in DEFAULT_PORTS)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is not a URL: {error}") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise UsageError(f"unknown scheme {parts.scheme!r} in {url!r}; known are {known}")
    if not host:
        raise UsageError(f"{url!r} names no host")
    if port == 0:
        raise UsageError(f"port 0 in {url!r} is not a port to connect to")
    if parts.path not in ("", "/") or parts.fragment:
        raise UsageError(f"{url!r} has a path or fragment, which {parts.scheme} has no use for")
    return Endpoint(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], _query(parts.query))


def _query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError as error:
        raise UsageError(f"bad options in the URL: {error}") from error
    options = dict(pairs)
    if len(options) != len(pairs):
        raise UsageError("an option stands twice in the URL")
    return options
