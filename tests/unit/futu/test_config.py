"""SysConfig, and that the log goes nowhere by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from futukit.errors import UsageError
from futukit.futu._enums import ProtoFMT, RunMode
from futukit.futu.config import SysConfig, logger, set_debug_model, set_futu_debug_model
from futukit.futu.constants import CLIENT_VERSION, DEFULAT_CLIENT_ID
from tests.support.rsa import rsa_pem


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings as they were, after each test."""
    for name in ("IS_PROTO_ENCRYPT", "INIT_RSA_FILE", "PROTO_FMT", "CLINET_ID", "CLIENT_VER"):
        monkeypatch.setattr(SysConfig, name, getattr(SysConfig, name))
    for name in ("ALL_THREAD_DAEMON", "RUN_MODE"):
        monkeypatch.setattr(SysConfig, name, getattr(SysConfig, name))
    yield
    SysConfig.enable_console_log(False)
    set_futu_debug_model(False)


def test_what_holds_before_anything_is_set() -> None:
    assert SysConfig.get_client_id() == DEFULAT_CLIENT_ID
    assert SysConfig.get_client_ver() == CLIENT_VERSION
    assert SysConfig.get_proto_fmt() == ProtoFMT.Protobuf
    assert SysConfig.is_proto_encrypt() is False
    assert SysConfig.get_all_thread_daemon() is False
    assert SysConfig.get_run_mode() == RunMode.DEFAULT


@pytest.mark.parametrize(
    ("given", "number"),
    [(0, 0), ("0", 0), (221, 221), ("2.21", 221), ("3.5", 305), ("10.11", 1011), ("221", 221)],
)
def test_a_version_is_major_times_100_and_minor(given: int | str, number: int) -> None:
    SysConfig.set_client_info("program", given)
    assert SysConfig.get_client_ver() == number
    assert SysConfig.get_client_id() == "program"


@pytest.mark.parametrize("given", [-1, "x", "2.x", "", ".", "1.2.3", 2**31, True, [], "-1.5"])
def test_what_is_no_version_is_refused(given: Any) -> None:
    SysConfig.set_client_info("before", 7)
    with pytest.raises(UsageError, match=r"major \* 100 \+ minor"):
        SysConfig.set_client_info("after", given)
    assert (SysConfig.get_client_id(), SysConfig.get_client_ver()) == ("before", 7)


def test_none_is_as_good_as_nothing_set() -> None:
    SysConfig.set_client_info("program", 7)
    SysConfig.set_client_info(None, None)  # type: ignore[arg-type]
    assert SysConfig.get_client_id() == DEFULAT_CLIENT_ID
    assert SysConfig.get_client_ver() == CLIENT_VERSION


@pytest.mark.parametrize("given", [2, -1, "Json", None, []])
def test_a_format_that_is_none_is_refused(given: Any) -> None:
    SysConfig.set_proto_fmt(ProtoFMT.Json)
    with pytest.raises(UsageError, match=r"ProtoFMT\.Json"):
        SysConfig.set_proto_fmt(given)
    assert SysConfig.get_proto_fmt() == ProtoFMT.Json


def test_flags_are_kept() -> None:
    SysConfig.enable_proto_encrypt(True)
    SysConfig.set_all_thread_daemon(True)
    SysConfig.set_run_mode("more")
    assert SysConfig.is_proto_encrypt() is True
    assert SysConfig.get_all_thread_daemon() is True
    assert SysConfig.get_run_mode() == "more"


def test_the_key_that_was_named_is_read(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(rsa_pem(1024), encoding="ascii")
    SysConfig.set_init_rsa_file(key)
    assert str(key) == SysConfig.INIT_RSA_FILE
    assert SysConfig.get_init_rsa_obj().size_in_bits() == 1024


@pytest.mark.parametrize("content", [None, b"", b"no key", b"\xff\x00", b"-----BEGIN"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes | None) -> None:
    key = tmp_path / "key.pem"
    if content is not None:
        key.write_bytes(content)
    SysConfig.set_init_rsa_file(str(key))
    with pytest.raises(UsageError, match=r"key\.pem is no RSA private key"):
        SysConfig.get_init_rsa_obj()


def test_without_a_file_there_is_no_key() -> None:
    SysConfig.set_init_rsa_file("")
    with pytest.raises(UsageError, match="set_init_rsa_file"):
        SysConfig.get_init_rsa_obj()


def test_the_log_goes_to_standard_error_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    logger.warning("before")
    assert capsys.readouterr() == ("", "")
    SysConfig.enable_console_log(True)
    SysConfig.enable_console_log(True)
    logger.warning("between")
    assert capsys.readouterr() == ("", "between\n")
    SysConfig.enable_console_log(False)
    logger.warning("after")
    assert capsys.readouterr() == ("", "")


def test_the_log_can_tell_everything(caplog: pytest.LogCaptureFixture) -> None:
    set_futu_debug_model(True)
    logger.debug("seen")
    assert logger.level == logging.DEBUG
    set_debug_model(False)
    logger.debug("not seen")
    assert [record.message for record in caplog.records] == ["seen"]
