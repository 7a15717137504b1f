"""URLs of an OpenD."""

from __future__ import annotations

from typing import Any

import pytest

from futukit.endpoint import parse_endpoint
from futukit.errors import UsageError


@pytest.mark.parametrize(
    ("url", "host", "port", "text"),
    [
        ("tcp://127.0.0.1:11111", "127.0.0.1", 11111, "tcp://127.0.0.1:11111"),
        ("tcp://127.0.0.1", "127.0.0.1", 11111, "tcp://127.0.0.1:11111"),
        ("tcp://opend.lan:5/", "opend.lan", 5, "tcp://opend.lan:5"),
        ("tcp://[::1]:11112", "::1", 11112, "tcp://[::1]:11112"),
        ("tcp://[fe80::1%eth0]", "fe80::1%eth0", 11111, "tcp://[fe80::1%eth0]:11111"),
        ("TCP://LocalHost", "localhost", 11111, "tcp://localhost:11111"),
    ],
)
def test_an_endpoint_is_read_and_written(url: str, host: str, port: int, text: str) -> None:
    endpoint = parse_endpoint(url)
    assert (endpoint.scheme, endpoint.host, endpoint.port) == ("tcp", host, port)
    assert str(endpoint) == text


def test_the_query_holds_options() -> None:
    query = parse_endpoint("tcp://h?request_timeout=3&client_id=a%20b").query
    assert query == {"request_timeout": "3", "client_id": "a b"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:11111",
        "tcp:",
        "tcp://",
        "tcp://:11111",
        "tcp://h:x",
        "tcp://h:0",
        "tcp://h:65536",
        "tcp://[::1",
        "tcp://h/path",
        "tcp://h#part",
        "tcp://h?nonsense",
        "tcp://h?a=1&a=2",
        "http://h",
    ],
)
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        parse_endpoint(url)


@pytest.mark.parametrize("url", [None, b"tcp://127.0.0.1", 11111])
def test_what_is_no_text_is_refused(url: Any) -> None:
    with pytest.raises(UsageError, match="a URL is a text"):
        parse_endpoint(url)


def test_an_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="tcp://"):
        parse_endpoint("gopher://h")


@pytest.mark.parametrize("url", ["tcp://me:secret@h", "tcp://me:secret@h:x", "ftp://me:secret@h"])
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_endpoint(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "wz://host?ws_key=SECRET",
        "ws://?ws_key=SECRET",
        "ws://host:0?ws_key=SECRET",
        "ws://host:port?ws_key=SECRET",
        "ws://host/path?ws_key=SECRET",
        "ws://host?ws_key=SECRET&broken",
        "ws://host?SECRET",
        "ws://host?ws_key=SECRET&ws_key=SECRET",
    ],
)
def test_a_key_in_the_query_is_never_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_endpoint(url)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None or "SECRET" not in str(caught.value.__cause__)
    assert "SECRET" not in repr(parse_endpoint("ws://host?ws_key=SECRET"))
