"""``futukit gateway keys``: what it writes, prints, and will not take."""

from __future__ import annotations

import argparse
import io
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from futukit.cli import gateway_keys
from futukit.errors import UsageError
from futukit.gateway.keys import KeyStore
from tests.unit.gateway.keyring import NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def run(path: Path, *words: str) -> str:
    parser = argparse.ArgumentParser()
    gateway_keys.add_arguments(parser)
    operation, *rest = words
    options = parser.parse_args([operation, "--keys", str(path), *rest])
    out = io.StringIO()
    gateway_keys.run(options, out, now=NOW)
    return out.getvalue()


def add(path: Path, *words: str, name: str = "desk", scope: str = "qot:read") -> str:
    return run(path, "add", "--name", name, "--scope", scope, *words)


def test_add_prints_the_key_once_and_keeps_its_hash(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = add(path, scope="qot:read,trade:simulate")
    text = printed.rstrip("\n")
    assert printed.count("\n") == 1
    assert KeyStore.load(path).find(text, NOW).scopes == ("qot:read", "trade:simulate")
    assert text not in path.read_text()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "not shown again" in captured.err
    assert text not in captured.err
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_add_takes_every_limit(path: Path) -> None:
    words = "--markets HK,US --symbols HK.00700,US.BRK.B --sides buy --max-order-value 10000"
    words += " --orders-per-minute 5 --accounts 1,18446744073709551615 --expires 30d"
    add(path, *words.split())
    (key,) = KeyStore.load(path).keys
    assert (key.markets, key.symbols) == (("HK", "US"), ("HK.00700", "US.BRK.B"))
    assert (key.sides, key.accounts) == (("buy",), (1, 2**64 - 1))
    assert (key.max_order_value, key.orders_per_minute) == (Decimal(10000), 5)
    assert key.expires == "2027-02-14T08:00:00Z"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2027-01-31", "2027-01-31T00:00:00Z"),
        ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"),
        ("2027-01-31T12:00:00+08:00", "2027-01-31T04:00:00Z"),
        ("1d", "2027-01-16T08:00:00Z"),
    ],
)
def test_an_expiry_is_kept_in_utc(path: Path, given: str, kept: str) -> None:
    add(path, "--expires", given)
    assert KeyStore.load(path).keys[0].expires == kept


def test_add_keeps_the_keys_that_are_there(path: Path) -> None:
    add(path)
    before = KeyStore.load(path).keys
    add(path, name="other")
    assert KeyStore.load(path).keys[:1] == before
    with pytest.raises(UsageError, match="'desk' is there twice"):
        add(path)
    assert len(KeyStore.load(path).keys) == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--scope", "trade"], "unknown scope 'trade'"),
        (["--scope", ""], "--scope: an empty word"),
        (["--scope", "qot:read,"], "--scope: an empty word"),
        (["--name", "two words"], "a name is"),
        (["--markets", "XX"], "unknown market 'XX'"),
        (["--markets", ""], "--markets: an empty word"),
        (["--symbols", "00700"], "not a security"),
        (["--sides", "short"], "unknown side"),
        *(
            (["--max-order-value", value], "the largest value of an order is a number above 0")
            for value in (
                *("much", "-1", "0", "inf", "1e4", "1e400", "1e-400", "1_000", "\u0661\u0660"),
                *(" 1", "1\n", ".5", "5.", "1" + "0" * 15, "0.0000001", "9" * 5000),
            )
        ),
        (["--orders-per-minute", "0"], "orders per minute are 1"),
        (["--orders-per-minute", "2.5"], "'2.5' is not a whole number"),
        (["--accounts", "1,x"], "--accounts: 'x' is not a whole number"),
        (["--accounts", "0"], "0 is not the number of an account"),
        (["--accounts", "9" * 5000], "not a whole number"),
        (["--expires", "soon"], "'soon' is not a date"),
        (["--expires", "0d"], "'0d' is not a date"),
        (["--expires", "2020-01-01"], "in the past"),
    ],
)
def test_bad_input_is_a_usage_error_and_writes_nothing(
    path: Path, words: list[str], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        add(path, *words)
    assert not path.exists()


def test_no_key_is_lost_where_several_are_added_at_once(path: Path) -> None:
    names = [f"key{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda name: add(path, name=name).strip(), names))
    store = KeyStore.load(path)
    assert [store.find(text, NOW).name for text in texts] == names
    assert len(store.keys) == len(names)


def test_a_key_that_is_not_stored_is_not_printed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    parser = argparse.ArgumentParser()
    gateway_keys.add_arguments(parser)
    words = ["add", "--keys", str(path), "--name", "desk", "--scope", "admin"]
    out = io.StringIO()
    with pytest.raises(UsageError, match="No space left"):
        gateway_keys.run(parser.parse_args(words), out)
    assert out.getvalue() == ""


def test_a_link_that_leads_nowhere_is_a_usage_error(path: Path) -> None:
    path.symlink_to(path.with_name("other.json"))
    path.with_name("other.json").symlink_to(path)
    for words in (("add", "--name", "x", "--scope", "admin"), ("list",), ("remove", "--name", "x")):
        with pytest.raises(UsageError, match=r"(?i)symbolic link|symlink"):
            run(path, *words)
    assert path.is_symlink()


def test_a_bad_file_is_not_overwritten(path: Path) -> None:
    path.write_text("{")
    for words in (("add", "--name", "x", "--scope", "admin"), ("list",), ("remove", "--name", "x")):
        with pytest.raises(UsageError, match="not JSON"):
            run(path, *words)
    assert path.read_text() == "{"


def test_list_shows_limits_and_never_a_hash(path: Path) -> None:
    add(path, "--symbols", "HK.00700", "--max-order-value", "5000.5", "--expires", "1d")
    add(path, "--accounts", "1,2", "--sides", "buy", name="b", scope="acc:read,trade:real")
    lines = run(path, "list").splitlines()
    assert lines == [
        "desk  qot:read  symbols=HK.00700  max_order_value=5000.5  expires=2027-01-16T08:00:00Z",
        "b  acc:read,trade:real  sides=buy  accounts=1,2",
    ]
    for key in json.loads(path.read_text())["keys"]:
        assert key["sha256"] not in "".join(lines)
        assert key["web_socket_sha256"] not in "".join(lines)


def test_list_marks_what_has_expired(path: Path) -> None:
    path.write_text(
        json.dumps(
            {
                "keys": [
                    {
                        "name": "old",
                        "sha256": "0" * 64,
                        "web_socket_sha256": "1" * 64,
                        "expires": "2020-01-01",
                    }
                ]
            }
        )
    )
    assert run(path, "list") == "old  no scope  expires=2020-01-01  (expired)\n"


def test_remove_takes_one_key_away(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = add(path).strip()
    add(path, name="other")
    assert run(path, "remove", "--name", "desk") == ""
    assert "removed" in capsys.readouterr().err
    store = KeyStore.load(path)
    assert [key.name for key in store.keys] == ["other"]
    with pytest.raises(Exception, match="not known"):
        store.find(text, NOW)
    with pytest.raises(UsageError, match="there is no key 'desk'"):
        run(path, "remove", "--name", "desk")


@pytest.mark.parametrize("operation", ["list", "remove"])
def test_a_missing_file_is_an_error_except_for_add(path: Path, operation: str) -> None:
    words = ("--name", "x") if operation == "remove" else ()
    with pytest.raises(UsageError, match="No such file"):
        run(path, operation, *words)


def test_the_clock_is_read_where_no_time_is_given(path: Path) -> None:
    parser = argparse.ArgumentParser()
    gateway_keys.add_arguments(parser)
    words = ["add", "--keys", str(path), "--name", "desk", "--scope", "admin", "--expires", "1d"]
    gateway_keys.run(parser.parse_args(words), io.StringIO())
    (key,) = KeyStore.load(path).keys
    assert not key.expired(0.0)
