"""API keys and their file: what can be, what is stored, how a key is found."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from futukit.errors import UsageError
from futukit.gateway import keys as module
from futukit.gateway.keys import Key, KeyStore, expiry, make_key
from futukit.gateway.refusals import Refused

NOW = 1_800_000_000.0  # 2027-01-15
ZEROS, ONES = "0" * 64, "1" * 64


def row(**fields: Any) -> dict[str, Any]:
    return {"name": "desk", "sha256": ZEROS, "web_socket_sha256": ONES, **fields}


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def md5_of(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def store(path: Path) -> KeyStore:
    return KeyStore(path)


def reason_of(store: KeyStore, text: str, now: float = NOW) -> str:
    with pytest.raises(Refused) as caught:
        store.find(text, now)
    assert caught.value.status == "UNAUTHENTICATED"
    return caught.value.reason


def test_the_text_of_a_key_is_long_and_new_each_time() -> None:
    texts = {make_key("desk", ["qot:read"])[1] for _ in range(20)}
    assert len(texts) == 20
    assert all(re.fullmatch(r"fk_[\w-]{43}", text) for text in texts)


def test_a_key_is_found_by_its_text_and_by_its_md5(store: KeyStore) -> None:
    made = [make_key(f"key{number}", ["qot:read"]) for number in range(3)]
    for key, _ in made:
        store.add(key)
    for key, text in made:
        assert store.find(text, NOW) == key
        assert store.find_web_socket(md5_of(text), NOW) == key


def test_the_one_form_is_no_key_in_the_place_of_the_other(store: KeyStore) -> None:
    key, text = make_key("desk", ["qot:read"])
    store.add(key)
    for wrong in (md5_of(text), key.sha256, key.web_socket_sha256, text + "x", text[:-1]):
        assert reason_of(store, wrong) == "the API key is not known"
    for wrong in (text, md5_of(text).upper(), key.web_socket_sha256):
        with pytest.raises(Refused, match="not known"):
            store.find_web_socket(wrong, NOW)


@pytest.mark.parametrize("text", ["\ud800", "é" * 256, "\0"])
def test_odd_text_is_only_unknown(store: KeyStore, text: str) -> None:
    assert reason_of(store, text) == "the API key is not known"


def test_no_text_has_a_reason_of_its_own(store: KeyStore) -> None:
    assert reason_of(store, "") == "no API key was given"


def test_every_stored_key_is_compared(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [make_key(f"key{number}", ["qot:read"]) for number in range(5)]
    for key, _ in made:
        store.add(key)
    compared: list[tuple[Any, Any]] = []
    inner = hmac.compare_digest

    def compare(given: Any, stored: Any) -> bool:
        compared.append((given, stored))
        return inner(given, stored)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for text in (made[0][1], made[-1][1], "unknown"):
        compared.clear()
        try:
            store.find(text, NOW)
        except Refused:
            assert text == "unknown"
        assert [stored.hex() for _, stored in compared] == [key.sha256 for key, _ in made]
        assert {len(given) for given, _ in compared} == {32}
    compared.clear()
    store.find_web_socket(md5_of(made[1][1]), NOW)
    assert [stored.hex() for _, stored in compared] == [key.web_socket_sha256 for key, _ in made]


def test_a_long_text_is_refused_without_hashing(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("hashed")

    monkeypatch.setattr(module, "_digest", never)
    assert reason_of(store, "x" * 257) == "the API key is not known"
    with pytest.raises(Refused):
        store.find_web_socket("x" * 10_000, NOW)


def test_an_expired_key_is_refused_with_its_own_reason(store: KeyStore) -> None:
    key, text = make_key("desk", ["qot:read"], expires="2027-01-31")
    store.add(key)
    end = expiry("2027-01-31").timestamp()
    assert store.find(text, end - 0.001) is key
    assert reason_of(store, text, end) == "the API key has expired"
    with pytest.raises(Refused, match="expired"):
        store.find_web_socket(md5_of(text), end)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2027-01-31", "2027-01-31T00:00:00+00:00"),
        ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00+00:00"),
        ("2027-01-31T12:00:00+08:00", "2027-01-31T04:00:00+00:00"),
    ],
)
def test_a_date_or_a_time_with_its_offset_is_an_expiry(text: str, same: str) -> None:
    assert expiry(text).isoformat() == same


@pytest.mark.parametrize(
    "text", ["", "soon", "2027-01-31T12:00:00", "20270131", "9999-12-31T23:00:00-12:00", "2027-1-1"]
)
def test_other_text_is_no_expiry(text: str) -> None:
    with pytest.raises(UsageError, match="not a date"):
        expiry(text)


def test_no_secret_shows(store: KeyStore, path: Path) -> None:
    key, text = make_key("desk", ["qot:read"])
    store.add(key)
    with pytest.raises(UsageError) as caught:
        store.add(key)
    shown = [repr(key), str(key), repr(key.__rich_repr__()), repr(store), str(caught.value)]
    shown.append(reason_of(store, text + "x"))
    for secret in (text, text[3:], md5_of(text), key.sha256, key.web_socket_sha256):
        assert not [each for each in shown if secret in each]
    for secret in (text, text[3:], md5_of(text)):
        assert secret not in path.read_text()


def test_a_file_holds_all_that_was_added(store: KeyStore, path: Path) -> None:
    limits: dict[str, Any] = {
        "markets": ("HK", "US"),
        "symbols": ("HK.00700", "US..DJI"),
        "sides": ("buy",),
        "max_order_value": Decimal("10000.5"),
        "orders_per_minute": 30,
        "accounts": (1, 2**64 - 1),
        "expires": "2027-01-31",
    }
    key, _ = make_key("desk", ["qot:read", "trade:real"], **limits)
    other, _ = make_key("other", [])
    store.add(key)
    store.add(other)
    assert KeyStore.load(path).keys == (key, other)
    assert json.loads(path.read_text())["keys"][0]["max_order_value"] == 10000.5
    assert store.remove("desk") == key
    assert KeyStore.load(path).keys == (other,)
    assert store.current(key) is None
    with pytest.raises(UsageError, match=r"keys\.json.*there is no key 'desk'"):
        store.remove("desk")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_the_file_is_for_its_owner_alone(store: KeyStore, path: Path) -> None:
    written(path, {"keys": []}).chmod(0o644)
    store.add(make_key("desk", [])[0])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_to_the_file_stays_a_link(tmp_path: Path, path: Path) -> None:
    written(path, {"keys": []})
    link = tmp_path / "link.json"
    link.symlink_to(path)
    KeyStore.load(link).add(make_key("desk", [])[0])
    assert link.is_symlink()
    assert len(KeyStore.load(path).keys) == 1


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_the_old_keys(
    store: KeyStore, path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    store.add(make_key("desk", [])[0])
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync", fail) if failing == "fsync" else (Path, "replace", fail)))
    with pytest.raises(UsageError, match="No space left"):
        store.add(make_key("other", [])[0])
    assert path.read_bytes() == before
    assert [key.name for key in store.keys] == ["desk"]
    assert {each.name for each in path.parent.iterdir()} == {"keys.json", "keys.json.lock"}


def test_a_change_starts_from_what_is_in_the_file_by_then(store: KeyStore, path: Path) -> None:
    other = KeyStore(path)
    store.add(make_key("one", [])[0])
    other.add(make_key("two", [])[0])
    store.add(make_key("three", [])[0])
    assert [key.name for key in store.keys] == ["one", "two", "three"]
    other.remove("three")
    assert [key.name for key in KeyStore.load(path).keys] == ["one", "two"]


@pytest.mark.parametrize("value", ["0.000001", "999999999999999.999999", "0.10", "1E+4", "7"])
def test_the_largest_value_of_an_order_is_kept_to_the_last_digit(
    store: KeyStore, path: Path, value: str
) -> None:
    store.add(make_key("desk", [], max_order_value=Decimal(value))[0])
    assert KeyStore.load(path).keys[0].max_order_value == Decimal(value)


def test_a_file_that_could_not_be_read_again_is_not_written(store: KeyStore, path: Path) -> None:
    store.add(make_key("desk", [])[0])
    before = path.read_bytes()
    with pytest.raises(UsageError, match="could not be read again"):
        store.add(make_key("large", [], accounts=(2**64 - 1,) * 200_000)[0])
    assert path.read_bytes() == before
    assert [key.name for key in store.keys] == ["desk"]


def test_a_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        KeyStore(tmp_path / "none" / "keys.json").add(make_key("desk", [])[0])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not of the form"),
        ({"keys": {}}, "not of the form"),
        ({"keys": [], "more": 1}, "not of the form"),
        ({"keys": [1]}, "key number 1: Expected `object`"),
        ({"keys": [row(name="two words")]}, "key number 1: a name is"),
        ({"keys": [row(name="anonymous")]}, "'anonymous': a name is"),
        ({"keys": [{"name": "desk"}]}, "key 'desk': .*missing required field `sha256`"),
        ({"keys": [row(secret="x")]}, "key 'desk': .*unknown field `secret`"),
        ({"keys": [row(sha256="abc")]}, "key 'desk': a hash is 64"),
        ({"keys": [row(web_socket_sha256="A" * 64)]}, "key 'desk': a hash is 64"),
        ({"keys": [row(scopes=["trade"])]}, "key 'desk': unknown scope 'trade'; known are qot"),
        ({"keys": [row(scopes="admin")]}, "key 'desk': Expected `array`"),
        ({"keys": [row(markets=["XX"])]}, "key 'desk': unknown market 'XX'"),
        ({"keys": [row(markets=["HK_FUTURE"])]}, "key 'desk': unknown market 'HK_FUTURE'"),
        ({"keys": [row(sides=["short"])]}, "key 'desk': unknown side 'short'"),
        ({"keys": [row(symbols=["00700"])]}, "key 'desk': '00700' is not a security"),
        ({"keys": [row(symbols=["1.00700"])]}, "key 'desk': write the symbol .* as 'HK.00700'"),
        ({"keys": [row(symbols=["HK_FUTURE.X"])]}, "key 'desk': unknown market 'HK_FUTURE'"),
        ({"keys": [row(max_order_value=0)]}, "key 'desk': the largest value"),
        ({"keys": [row(max_order_value="NaN")]}, "key 'desk': the largest value"),
        ({"keys": [row(max_order_value="Infinity")]}, "key 'desk': the largest value"),
        ({"keys": [row(max_order_value="1_000")]}, "key 'desk': the largest .*, not '1_000'"),
        ({"keys": [row(max_order_value="\u0661\u0660")]}, "key 'desk': the largest value"),
        ({"keys": [row(max_order_value=10**15)]}, "key 'desk': the largest value"),
        ({"keys": [row(max_order_value=10**4000)]}, "key 'desk': the largest value.{90,130}$"),
        ({"keys": [row(max_order_value=1e-7)]}, "key 'desk': the largest value"),
        ('{"keys": [{"name": "desk", "max_order_value": 1e99999999999999999999}]}', "not JSON"),
        ({"keys": [row(markets=[])]}, "key 'desk': markets is an empty list"),
        ({"keys": [row(symbols=[])]}, "key 'desk': symbols is an empty list"),
        ({"keys": [row(sides=[])]}, "key 'desk': sides is an empty list"),
        ({"keys": [row(accounts=[])]}, "key 'desk': accounts is an empty list"),
        ({"keys": [row(orders_per_minute=0)]}, "key 'desk': orders per minute are 1 to"),
        ({"keys": [row(orders_per_minute=10_001)]}, "key 'desk': orders per minute are 1 to"),
        ({"keys": [row(accounts=[0])]}, "key 'desk': 0 is not the number of an account"),
        ({"keys": [row(accounts=[2**64])]}, "key 'desk'"),
        ({"keys": [row(expires="tomorrow")]}, "key 'desk': 'tomorrow' is not a date"),
        ({"keys": [row(), row(sha256="2" * 64)]}, "key 'desk' is there twice"),
        ({"keys": [row(), row(name="b")]}, "key 'b' has the hash of another key"),
        (
            {"keys": [row(), row(name="b", sha256="2" * 64)]},
            "key 'b' has the hash of another key",
        ),
    ],
)
def test_a_bad_file_is_refused_by_name_and_without_a_hash(
    path: Path, content: object, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        KeyStore.load(written(path, content))
    text = str(caught.value)
    assert text.startswith(f"keys file {str(path)!r}: ")
    assert not re.search(r"[0-9a-fA-F]{64}", text)
    assert caught.value.__cause__ is None


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        KeyStore.load(tmp_path / "none.json")
    with pytest.raises(UsageError, match=r"Is a directory|Permission"):
        KeyStore.load(tmp_path)
    with pytest.raises(UsageError, match="null"):
        KeyStore.load("\0")
    (tmp_path / "bytes.json").write_bytes(b'{"keys": ["\xff"]}')
    with pytest.raises(UsageError, match="not JSON"):
        KeyStore.load(tmp_path / "bytes.json")


def test_an_endless_file_is_refused(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 * 2**20)
    with pytest.raises(UsageError, match="larger than"):
        KeyStore.load(path)


def test_a_reload_takes_the_file_or_nothing(store: KeyStore, path: Path) -> None:
    key, text = make_key("desk", ["qot:read"])
    store.add(key)
    written(path, "{")
    with pytest.raises(UsageError):
        store.reload()
    path.unlink()
    with pytest.raises(UsageError):
        store.reload()
    assert store.find(text, NOW) == key
    written(path, {"keys": [row(name="new")]})
    store.reload()
    assert [each.name for each in store.keys] == ["new"]
    assert reason_of(store, text) == "the API key is not known"


def test_a_key_is_checked_however_it_is_made() -> None:
    with pytest.raises(UsageError):
        Key(**row(scopes=("everything",)))
    with pytest.raises(UsageError):
        make_key("desk", ["qot:read"], sides=("hold",))
    for value in ("1E+400", "1E-400", "1E+15", "1.0000001", "-1", "sNaN"):
        with pytest.raises(UsageError, match="the largest value"):
            make_key("desk", ["qot:read"], max_order_value=Decimal(value))
