"""The options of ``connect``: keywords, or the URL's query (``tcp://host?request_timeout=3``).

A keyword wins over the query. Every option is a field of :class:`Options`; an unknown name or
an unusable value is a UsageError before anything is sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from futukit.endpoint import BODIES, ENCRYPTIONS, SCHEMES, Endpoint
from futukit.errors import UsageError

__all__ = ["Options", "options_for", "parse_options"]


_Reader = Callable[[str, object], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a client can be told. Times are in seconds.

    client_id: names this program to OpenD (InitConnect.clientID); over frames, a gateway takes it
        for the API key.
    client_version: InitConnect.clientVer, major * 100 + minor.
    ai_type: InitConnect.aiType; left out if None.
    receive_notify: whether OpenD sends Notify pushes (1003) on this connection.
    request_timeout: how long a call waits for its answer when it does not say otherwise.
    connect_timeout: for one try: name, connection, TLS and greeting together.
    keepalive: between two KeepAlives; None is 4/5 of the interval that OpenD names.
    max_body_bytes: a longer body breaks the connection.
    reconnect: whether a lost connection is made again.
    reconnect_delay, reconnect_max_delay: the first and the longest wait between two tries.
    push_queue: how many pushes wait for a slow consumer when it does not say otherwise.
    rate_limit: what becomes of a call that OpenD would fail for its frequency: "queue" lets it
        wait its turn within its timeout, "refuse" raises RateLimited. None counts nothing.
    body: "protobuf" or "json", the format of requests and answers.
    push_format: the same for pushes (InitConnect.pushProtoFmt); None is that of ``body``.
    encryption: what InitConnect asks for: "none", "ftaes_ecb", "aes_ecb", "aes_cbc", or
        "required", which asks for aes_cbc and refuses an OpenD that grants nothing. None is
        "aes_cbc" with an rsa_key and "none" without. What is in force is the client's
        ``encryption``; without a key on both sides that is nothing.
    rsa_key: OpenD's private key, as PEM text or as the path of a PEM file.
    ws_key: OpenD's WebSocket key (ws:// and wss:// only), in plain; its MD5 is sent.
    api_key: the key that a gRPC server asks for (grpc:// and grpcs:// only); each call carries it
        as ``authorization: Bearer``.
    tls_ca: PEM file of the authorities to trust, in place of the platform's.
    tls_cert, tls_key: PEM files of a certificate to show to the server, and of its key.
    tls_verify: false trusts any certificate. For development with self-signed ones; grpcs://
        always verifies.
    tls_server_name: the name in the server's certificate, where it is not the URL's host.
    trace: True writes each packet to stderr as one readable line; a function gets these lines.
        Not for the URL.
    """

    client_id: str = field(default="futukit", repr=False)
    client_version: int = 1
    ai_type: int | None = None
    receive_notify: bool = True
    request_timeout: float = 12.0
    connect_timeout: float = 10.0
    keepalive: float | None = None
    max_body_bytes: int = 64 * 2**20
    reconnect: bool = True
    reconnect_delay: float = 0.5
    reconnect_max_delay: float = 30.0
    push_queue: int = 10_000
    rate_limit: str | None = None
    body: str = "protobuf"
    push_format: str | None = None
    encryption: str | None = None
    rsa_key: str | None = field(default=None, repr=False)
    ws_key: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_verify: bool = True
    tls_server_name: str | None = None
    trace: bool | Callable[[str], object] | None = None


def parse_options(query: Mapping[str, str], keywords: Mapping[str, Any]) -> Options:
    """Read options from a URL's query (text) and from keywords (values); keywords win.

    Raises UsageError for an unknown option and a value of the wrong type or out of range.
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


def _whole(name: str, value: object) -> int:
    return 0 if value in (0, "0") and value is not False else _count(name, value)


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


def _path(name: str, value: object) -> str:
    return _text(name, os.fspath(value) if isinstance(value, os.PathLike) else value)


def _secret(name: str, value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value:
        raise UsageError(f"option {name} is a text")  # its value is never repeated
    return value


def _header_secret(name: str, value: object) -> str:
    text = _secret(name, value)
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise UsageError(f"option {name} is printable ASCII: it travels in a header")
    return text


def _trace(name: str, value: object) -> object:
    if isinstance(value, bool) or callable(value):
        return value
    raise UsageError(f"option {name} is True or a function that takes a line, not {value!r}")


def _choice(*choices: str) -> _Reader:
    def read(name: str, value: object) -> str:
        if value not in choices:
            raise UsageError(f"option {name} is one of {', '.join(choices)}, not {value!r}")
        return str(value)

    return read


_DEFAULTS: dict[str, object] = {option.name: option.default for option in fields(Options)}
_BY_TYPE: dict[str, _Reader] = {
    "str": _text,
    "int": _count,
    "bool": _flag,
    "float": _seconds,
    "float | None": _seconds,
}
_OWN: dict[str, _Reader] = {
    "client_version": _whole,
    "ai_type": _whole,
    "rate_limit": _choice("queue", "refuse"),
    "body": _choice(*BODIES),
    "push_format": _choice(*BODIES),
    "encryption": _choice(*ENCRYPTIONS, "required"),
    "rsa_key": _secret,
    "ws_key": _secret,
    "api_key": _header_secret,
    "tls_ca": _path,
    "tls_cert": _path,
    "tls_key": _path,
    "tls_server_name": _text,
    "trace": _trace,
}
_READERS: dict[str, _Reader] = {
    option.name: _OWN.get(option.name) or _BY_TYPE[str(option.type)] for option in fields(Options)
}


def options_for(endpoint: Endpoint, keywords: Mapping[str, Any]) -> Options:
    """The options of one connection, as :func:`parse_options` reads them, and whether they fit.

    Raises UsageError also for what the URL's scheme cannot carry, an encryption without a key,
    and keys without a use.
    """
    options = parse_options(endpoint.query, keywords)
    scheme = SCHEMES[endpoint.scheme]
    encryption = options.encryption or ("aes_cbc" if options.rsa_key else "none")
    reason = scheme.refusal(options.body, "aes_cbc" if encryption == "required" else encryption)
    if reason is None and options.push_format is not None:
        reason = scheme.refusal(options.push_format, "none")
    if reason is None and encryption != "none" and options.rsa_key is None:
        reason = f"encryption {encryption!r} needs an rsa_key; without one nothing is encrypted"
    if reason is None and options.rsa_key is not None and scheme.dialect in ("script", "grpc"):
        reason = f"{scheme.name}:// has no use for an rsa_key"
    if reason is None and options.ws_key is not None and scheme.dialect != "script":
        reason = f"{scheme.name}:// has no use for a ws_key, only ws:// and wss:// have"
    if reason is None and options.api_key is not None and scheme.dialect != "grpc":
        place = "ws_key" if scheme.dialect == "script" else "client_id"
        reason = f"{scheme.name}:// has no use for an api_key; a gateway takes it as {place} here"
    if reason is None and scheme.dialect == "grpc" and scheme.tls and not options.tls_verify:
        reason = f"{scheme.name}:// always verifies the server: give tls_ca, not tls_verify=False"
    if reason is None and not scheme.tls:
        reason = _tls_without_use(scheme.name, options)
    if reason is None and options.tls_key is not None and options.tls_cert is None:
        reason = "option tls_key needs tls_cert"
    if reason is not None:
        raise UsageError(reason)
    return replace(options, encryption=encryption, push_format=options.push_format or options.body)


def _tls_without_use(scheme: str, options: Options) -> str | None:
    for name in ("tls_ca", "tls_cert", "tls_key", "tls_server_name"):
        if getattr(options, name) is not None:
            return f"{scheme}:// has no TLS and no use for {name}"
    return None if options.tls_verify else f"{scheme}:// has no TLS and no use for tls_verify"
