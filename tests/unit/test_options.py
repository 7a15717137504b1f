"""Options of connect: keywords and the URL's query."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from futukit.errors import UsageError
from futukit.options import Options, parse_options


def test_nothing_said_is_the_defaults() -> None:
    assert parse_options({}, {}) == Options()
    assert (Options().request_timeout, Options().reconnect) == (12.0, True)


def test_the_query_is_text_and_keywords_win() -> None:
    query = {"request_timeout": "3", "reconnect": "no", "push_queue": "7", "client_id": "q"}
    options = parse_options(query, {"client_id": "k", "keepalive": 2})
    assert (options.request_timeout, options.reconnect, options.push_queue) == (3.0, False, 7)
    assert (options.client_id, options.keepalive) == ("k", 2.0)
    assert parse_options({}, {"keepalive": None}).keepalive is None


def test_what_is_supported_may_be_said() -> None:
    said = {"body": "protobuf", "push_format": "protobuf", "encryption": "none", "rsa_key": None}
    assert parse_options({}, said) == Options()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("request_timeout", 0),
        ("request_timeout", -1),
        ("request_timeout", "soon"),
        ("request_timeout", "nan"),
        ("request_timeout", True),
        ("request_timeout", None),
        ("request_timeout", 10**400),
        ("push_queue", 0),
        ("push_queue", 1.5),
        ("push_queue", True),
        ("max_body_bytes", "-1"),
        ("max_body_bytes", 2**31),
        ("reconnect", "perhaps"),
        ("reconnect", 1),
        ("client_id", ""),
        ("client_id", 5),
        ("client_id", None),
        ("body", "json"),
        ("push_format", "json"),
        ("encryption", "aes_cbc"),
        ("encryption", None),
        ("rsa_key", "key.pem"),
        ("nonsense", 1),
    ],
)
def test_what_cannot_be_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=name):
        parse_options({}, {name: value})


def test_an_unknown_option_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        parse_options({"timeout": "1"}, {})
    assert all(field.name in str(caught.value) for field in fields(Options))


def test_a_key_is_never_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        parse_options({"rsa_key": "-----BEGIN RSA"}, {})
    assert "BEGIN" not in str(caught.value)


def test_the_waits_between_tries_are_in_order() -> None:
    with pytest.raises(UsageError, match="reconnect_max_delay"):
        parse_options({}, {"reconnect_delay": 10, "reconnect_max_delay": 1})


def test_every_option_is_explained() -> None:
    assert Options.__doc__ is not None
    for field in fields(Options):
        assert field.name in Options.__doc__
