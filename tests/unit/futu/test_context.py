"""What a context refuses, and how it makes the options of its client; no server is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from futukit.errors import ConnectError, UsageError
from futukit.futu import context
from futukit.futu._enums import ProtoFMT
from futukit.futu.config import SysConfig
from futukit.futu.quote import OpenQuoteContext
from futukit.futu.trade import OpenFutureTradeContext, OpenSecTradeContext
from tests.support.rsa import rsa_pem

CONTEXTS = [OpenQuoteContext, OpenSecTradeContext, OpenFutureTradeContext]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings as they were, after each test."""
    for name in ("IS_PROTO_ENCRYPT", "INIT_RSA_FILE", "PROTO_FMT", "CLINET_ID", "CLIENT_VER"):
        monkeypatch.setattr(SysConfig, name, getattr(SysConfig, name))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "tcp://127.0.0.1:1"),
        ("opend.example", "tcp://opend.example:1"),
        ("::1", "tcp://[::1]:1"),
        ("[::1]", "tcp://[::1]:1"),
    ],
)
def test_an_address(host: str, url: str) -> None:
    assert context._url(host, 1) == url


@pytest.mark.parametrize("make", CONTEXTS)
@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("", 1),
        (None, 1),
        (5, 1),
        ("127.0.0.1", "1"),
        ("127.0.0.1", None),
        ("127.0.0.1", True),
        ("127.0.0.1", 65536),
        ("127.0.0.1", -1),
        ("127.0.0.1", 1.0),
        ("a b", 1),
        ("a/b", 1),
        ("user@host", 1),
    ],
)
def test_an_address_that_cannot_be_is_refused_at_once(make: Any, host: Any, port: Any) -> None:
    with pytest.raises((UsageError, ConnectError)):
        make(host=host, port=port)


@pytest.mark.parametrize("make", CONTEXTS)
@pytest.mark.parametrize("globally", [False, True])
def test_encryption_needs_a_key_file(make: Any, globally: bool) -> None:
    SysConfig.enable_proto_encrypt(globally)
    with pytest.raises(UsageError, match="set_init_rsa_file"):
        make(port=1, is_encrypt=None if globally else True)


@pytest.mark.parametrize("content", [None, b"no key"])
def test_a_file_that_is_no_key_is_refused_at_once(tmp_path: Path, content: bytes | None) -> None:
    key = tmp_path / "key.pem"
    if content is not None:
        key.write_bytes(content)
    SysConfig.set_init_rsa_file(str(key))
    with pytest.raises(UsageError, match=r"key\.pem"):
        OpenQuoteContext(port=1, is_encrypt=True)


def test_an_unknown_firm_is_refused_at_once() -> None:
    for make in CONTEXTS:
        with pytest.raises(UsageError, match="security_firm"):
            make(port=1, security_firm="NOBODY")
    with pytest.raises(ValueError, match="security_firm"):
        OpenQuoteContext(port=1, security_firm=None)  # type: ignore[arg-type]


def test_the_options_are_those_of_the_settings(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(rsa_pem(1024), encoding="ascii")
    SysConfig.set_client_info("program", 0)
    assert context._options(False) == {
        "client_id": "program",
        "client_version": 0,
        "body": "protobuf",
        "encryption": "none",
    }
    SysConfig.set_proto_fmt(ProtoFMT.Json)
    SysConfig.set_init_rsa_file(str(key))
    options = context._options(True)
    assert (options["body"], options["encryption"]) == ("json", "aes_cbc")
    assert options["rsa_key"] == str(key)


def test_a_context_of_its_own_kind_has_to_say_what_comes_first() -> None:
    with pytest.raises(TypeError, match="_on_ready"):
        context.OpenContextBase()  # type: ignore[abstract]
