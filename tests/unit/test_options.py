"""Options of connect: keywords and the URL's query."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from futukit.endpoint import parse_endpoint
from futukit.errors import UsageError
from futukit.options import Options, options_for, parse_options


def test_nothing_said_is_the_defaults() -> None:
    assert parse_options({}, {}) == Options()
    assert (Options().request_timeout, Options().reconnect) == (12.0, True)


def test_the_query_is_text_and_keywords_win() -> None:
    query = {"request_timeout": "3", "reconnect": "no", "push_queue": "7", "client_id": "q"}
    options = parse_options(query, {"client_id": "k", "keepalive": 2})
    assert (options.request_timeout, options.reconnect, options.push_queue) == (3.0, False, 7)
    assert (options.client_id, options.keepalive) == ("k", 2.0)
    assert parse_options({}, {"keepalive": None}).keepalive is None


def test_what_is_the_default_may_be_said() -> None:
    said = {"body": "protobuf", "push_format": None, "encryption": None, "rsa_key": None}
    assert parse_options({}, said) == Options()


def test_what_is_left_out_is_settled_by_what_is_said() -> None:
    def settled(**keywords: Any) -> tuple[str | None, str | None]:
        options = options_for(parse_endpoint("tcp://localhost"), keywords)
        return options.encryption, options.push_format

    assert settled() == ("none", "protobuf")
    assert settled(body="json") == ("none", "json")
    assert settled(rsa_key="k", push_format="json") == ("aes_cbc", "json")
    assert settled(rsa_key="k", encryption="none") == ("none", "protobuf")


@pytest.mark.parametrize(
    ("url", "keywords", "reason"),
    [
        ("tcp://h", {"encryption": "aes_cbc"}, "needs an rsa_key"),
        ("tcp://h", {"encryption": "required"}, "needs an rsa_key"),
        ("tcp://h", {"ws_key": "k"}, "no use for a ws_key"),
        ("ws://h", {"rsa_key": "k", "encryption": "none"}, "no use for an rsa_key"),
        ("ws://h", {"body": "json"}, "carries protobuf bodies"),
        ("ws://h", {"push_format": "json"}, "carries protobuf bodies"),
        ("wss://h", {"encryption": "required", "rsa_key": "k"}, "no encryption of its own"),
        ("tcp://h", {"tls_ca": "ca.pem"}, "no TLS and no use for tls_ca"),
        ("ft+ws://h", {"tls_verify": False}, "no TLS and no use for tls_verify"),
        ("tcps://h", {"tls_key": "k.pem"}, "needs tls_cert"),
        ("tcp://h", {"api_key": "k"}, "no use for an api_key; .* as client_id here"),
        ("ws://h", {"api_key": "k"}, "no use for an api_key; .* as ws_key here"),
        ("grpc://h", {"ws_key": "k"}, "no use for a ws_key"),
        ("grpc://h", {"body": "json"}, "carries protobuf bodies"),
        ("grpc://h", {"encryption": "aes_cbc", "rsa_key": "k"}, "use grpcs://"),
        ("grpcs://h", {"rsa_key": "k", "encryption": "none"}, "no use for an rsa_key"),
        ("grpc://h", {"tls_ca": "ca.pem"}, "no TLS and no use for tls_ca"),
        ("grpcs://h", {"tls_verify": False}, "always verifies"),
    ],
)
def test_options_that_do_not_fit_together(url: str, keywords: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        options_for(parse_endpoint(url), keywords)


def test_keys_do_not_show() -> None:
    keys = ("rsa_key", "ws_key", "api_key", "client_id")
    options = parse_options({}, dict.fromkeys(keys, "SECRET"))
    assert {getattr(options, name) for name in keys} == {"SECRET"}
    assert "SECRET" not in repr(options)


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
        ("body", "xml"),
        ("body", None),
        ("push_format", 1),
        ("rate_limit", "slow"),
        ("rate_limit", True),
        ("encryption", "des"),
        ("rsa_key", 5),
        ("rsa_key", ""),
        ("ws_key", b"key"),
        ("api_key", "two\nlines"),
        ("api_key", "ключ"),
        ("api_key", 5),
        ("tls_verify", "perhaps"),
        ("tls_ca", 5),
        ("trace", "yes"),
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
    for name in ("rsa_key", "ws_key", "api_key"):
        with pytest.raises(UsageError) as caught:
            parse_options({}, {name: [b"-----BEGIN RSA"]})
        assert "BEGIN" not in str(caught.value)


def test_the_waits_between_tries_are_in_order() -> None:
    with pytest.raises(UsageError, match="reconnect_max_delay"):
        parse_options({}, {"reconnect_delay": 10, "reconnect_max_delay": 1})


def test_every_option_is_explained() -> None:
    assert Options.__doc__ is not None
    for field in fields(Options):
        assert field.name in Options.__doc__
