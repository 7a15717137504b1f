"""API keys: what one may do, and the file that they are kept in.

The file holds hashes only, ``{"keys": [{"name": …, "sha256": …, "web_socket_sha256": …,
"scopes": […], …}]}``; the text of a key is shown once, when it is made. A plain hash is enough,
without salt or stretching: the text is 32 random bytes, which nobody finds by trying.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from hashlib import md5, sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from futukit import types
from futukit.errors import UsageError
from futukit.gateway.refusals import unauthenticated

if sys.platform != "win32":
    import fcntl

__all__ = ["MARKETS", "SCOPES", "SIDES", "Key", "KeyStore", "expiry", "make_key", "order_value"]

SCOPES: Final = (
    "qot:read",
    "qot:write",
    "acc:read",
    "trade:simulate",
    "trade:real",
    "trade:unlock",
    "admin",
)
"""What a key may be given. None includes another."""

MARKETS: Final = tuple(one.prefix for one in types.MARKETS if one.prefix != "HK_FUTURE")
"""What a key may be limited to. Futures of Hong Kong are in HK: OpenD has given up HK_FUTURE."""

SIDES: Final = ("buy", "sell")

_PREFIX: Final = "fk_"
_RANDOM_BYTES: Final = 32
_LONGEST_TEXT: Final = 256
_LONGEST_NUMBER: Final = 40
_LARGEST_FILE: Final = 4 * 2**20
_MOST_ORDERS_PER_MINUTE: Final = 10_000
"""OpenD itself takes 30 a minute for an account; this bounds what is remembered of a key."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_PLAIN_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?")
_VALUES_END: Final = 10**15
_FINEST: Final = -6
_LISTED: Final = ("markets", "symbols", "sides", "accounts")
_NO_FILE: Final = b'{"keys": []}'
_OWNER_ONLY: Final = 0o600


class Key(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A key as it is stored: its name, its hashes, its scopes and limits. An empty limit is none.

    ``symbols`` are written ``"HK.00700"``; ``max_order_value`` is price times quantity, in the
    currency of the security; ``expires`` is a date or time in UTC, from which on the key is
    refused. Raises UsageError for what cannot be.
    """

    name: str
    sha256: str
    # The official JavaScript SDK sends the MD5 of its key, never the key. The MD5 alone logs in,
    # so it is as secret as the key itself and only its hash is kept.
    web_socket_sha256: str
    scopes: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    max_order_value: Decimal | None = None
    orders_per_minute: int | None = None
    accounts: tuple[int, ...] = ()
    expires: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name == "anonymous":
            raise UsageError("a name is up to 64 letters, digits and ._@-, and not 'anonymous'")
        if not (_HASH.fullmatch(self.sha256) and _HASH.fullmatch(self.web_socket_sha256)):
            raise UsageError("a hash is 64 lower-case hex digits")
        _check_words("scope", self.scopes, SCOPES)
        _check_words("market", self.markets, MARKETS)
        _check_words("side", self.sides, SIDES)
        for symbol in self.symbols:
            _check_symbol(symbol)
        _check_numbers(self)
        if self.expires is not None:
            expiry(self.expires)

    def __repr__(self) -> str:
        return f"Key({self.name!r}, scopes={self.scopes!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # msgspec's own would show the hashes to those who print with rich.
        return [("name", self.name), ("scopes", self.scopes)]

    def expired(self, now: float) -> bool:
        """Whether the key is past its date at ``now`` (Unix seconds)."""
        return self.expires is not None and now >= expiry(self.expires).timestamp()


def _check_words(kind: str, words: tuple[str, ...], known: tuple[str, ...]) -> None:
    for word in words:
        if word not in known:
            raise UsageError(f"unknown {kind} {word!r}; known are {', '.join(known)}")


def _check_symbol(symbol: str) -> None:
    market, code = types.split_security(symbol)
    # One spelling each, because limits are compared as text.
    if types.join_security(market, code) != symbol:
        raise UsageError(f"write the symbol {symbol!r} as {types.join_security(market, code)!r}")
    _check_words("market", (symbol.partition(".")[0],), MARKETS)


def _check_numbers(key: Key) -> None:
    value, rate = key.max_order_value, key.orders_per_minute
    if value is not None and not _is_order_value(value):
        raise _no_order_value(value)
    if rate is not None and not 1 <= rate <= _MOST_ORDERS_PER_MINUTE:
        raise UsageError(f"orders per minute are 1 to {_MOST_ORDERS_PER_MINUTE}, not {rate}")
    for account in key.accounts:
        if not 0 < account < 2**64:
            raise UsageError(f"{account} is not the number of an account")


def _is_order_value(value: Decimal) -> bool:
    # The range first: what is far outside of it has an exponent that nobody shall compute with.
    if not (value.is_finite() and 0 < value < _VALUES_END):
        return False
    return int(value.as_tuple().exponent) >= _FINEST


def _no_order_value(value: object) -> UsageError:
    text = str(value)
    shown = text if len(text) <= _LONGEST_NUMBER else f"{text[:_LONGEST_NUMBER]}…"
    return UsageError(
        "the largest value of an order is a number above 0 and below 10^15 with at most 6 "
        f"decimals, not {shown}"
    )


def order_value(text: str) -> Decimal:
    """Read the largest value of an order: ASCII digits, and a point if need be. Raises UsageError.

    Decimal itself takes underscores, digits of any script and exponents without end.
    """
    if not _PLAIN_NUMBER.fullmatch(text):
        raise _no_order_value(repr(text))
    return Decimal(text)


def expiry(text: str) -> datetime:
    """Read a date (its first moment in UTC) or a time with its offset. Raises UsageError."""
    whole = f"{text}T00:00:00Z" if len(text) == len("2027-01-31") else text
    try:
        moment = datetime.fromisoformat(whole)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"{text!r} is not a date, nor a time in UTC like 2027-01-31T12:00:00Z")


def make_key(name: str, scopes: Iterable[str], **limits: Any) -> tuple[Key, str]:
    """Make a key and its text. The text is to be shown once and never stored.

    ``limits`` are the other fields of Key. Raises UsageError.
    """
    text = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    web_socket_text = md5(text.encode(), usedforsecurity=False).hexdigest()
    key = Key(
        name=name,
        sha256=_digest(text).hex(),
        web_socket_sha256=_digest(web_socket_text).hex(),
        scopes=tuple(scopes),
        **limits,
    )
    return key, text


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


class _Table(NamedTuple):
    """Keys with their digests in the same order; replaced as a whole."""

    keys: tuple[Key, ...]
    digests: tuple[bytes, ...]
    web_socket_digests: tuple[bytes, ...]
    by_hash: Mapping[str, Key]


def _table(keys: Iterable[Key], where: str) -> _Table:
    keys = tuple(keys)
    names: set[str] = set()
    hashes: set[str] = set()
    for key in keys:
        if key.name in names:
            raise UsageError(f"{where}: key {key.name!r} is there twice")
        if key.sha256 in hashes or key.web_socket_sha256 in hashes:
            raise UsageError(f"{where}: key {key.name!r} has the hash of another key")
        names.add(key.name)
        hashes |= {key.sha256, key.web_socket_sha256}
    return _Table(
        keys,
        tuple(bytes.fromhex(key.sha256) for key in keys),
        tuple(bytes.fromhex(key.web_socket_sha256) for key in keys),
        {key.sha256: key for key in keys},
    )


class KeyStore:
    """The keys of one file. ``KeyStore(path)`` is empty; ``load`` reads what is there.

    Every change starts from what is in the file by then and is written to it before it takes
    effect here; of several at a time one waits for the other. Not for several threads.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._where = f"keys file {str(path)!r}"
        self._table = _table((), self._where)

    def __repr__(self) -> str:
        return f"KeyStore({str(self.path)!r}, {len(self.keys)} keys)"

    @classmethod
    def load(cls, path: str | Path) -> KeyStore:
        """Read a file. Raises UsageError where it is missing or not a good one."""
        store = cls(path)
        store.reload()
        return store

    @property
    def keys(self) -> tuple[Key, ...]:
        """All keys in the order of the file, expired ones too."""
        return self._table.keys

    def reload(self) -> None:
        """Read the file again. After a UsageError the keys that were in force still are."""
        self._table = _table(_rows(_read(self.path, self._where), self._where), self._where)

    def find(self, text: str, now: float) -> Key:
        """The key with this text. Raises Refused: not known, or expired at ``now``."""
        return self._matching(text, self._table.digests, now)

    def find_web_socket(self, md5_hex: str, now: float) -> Key:
        """The key whose text has this MD5 in lower-case hex. Raises what ``find`` does."""
        return self._matching(md5_hex, self._table.web_socket_digests, now)

    def _matching(self, text: str, digests: tuple[bytes, ...], now: float) -> Key:
        if not text:
            raise unauthenticated("no API key was given")
        if len(text) > _LONGEST_TEXT:
            raise unauthenticated("the API key is not known")
        given = _digest(text)
        # All are compared, so that the time tells neither which one matched nor how nearly.
        hits = [hmac.compare_digest(given, each) for each in digests]
        found = [key for key, hit in zip(self._table.keys, hits, strict=True) if hit]
        if not found:
            raise unauthenticated("the API key is not known")
        if found[0].expired(now):
            raise unauthenticated("the API key has expired")
        return found[0]

    def current(self, key: Key) -> Key | None:
        """The key with the same text as it stands now, None where it was taken away."""
        return self._table.by_hash.get(key.sha256)

    def add(self, key: Key) -> None:
        """Add a key to the file, which need not be there. Raises UsageError for a taken name."""
        with self._held() as target:
            stored = _rows(_read(self.path, self._where, absent=_NO_FILE), self._where)
            self._replace(target, (*stored, key))

    def remove(self, name: str) -> Key:
        """Take a key away and write the file. Raises UsageError where there is none."""
        with self._held() as target:
            self.reload()
            for key in self.keys:
                if key.name == name:
                    self._replace(target, (other for other in self.keys if other is not key))
                    return key
        raise UsageError(f"{self._where}: there is no key {name!r}")

    @contextmanager
    def _held(self) -> Iterator[Path]:
        """The file itself, behind any link, while nobody else changes it."""
        try:
            target = self.path.resolve()
            lock = _locked(target)
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"{self._where}: {getattr(error, 'strerror', None) or error}"
            ) from error
        try:
            yield target
        finally:
            if lock is not None:
                os.close(lock)

    def _replace(self, target: Path, keys: Iterable[Key]) -> None:
        table = _table(keys, self._where)
        content = _encoded(table.keys)
        # Whatever a key holds, a file that nobody can read must not take the place of a good one.
        if len(content) > _LARGEST_FILE or (*_rows(content, self._where),) != table.keys:
            raise UsageError(f"{self._where}: could not be read again with this key")
        _write(target, content, self._where)
        self._table = table


def _locked(target: Path) -> int | None:
    """An open file beside the target that locks it until it is closed; None on Windows."""
    lock = None
    if sys.platform != "win32":
        # It stays: with a file that comes and goes two could hold a lock each.
        name = target.with_name(f"{target.name}.lock")
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except BaseException:
            os.close(lock)
            raise
    return lock


def _read(path: Path, where: str, *, absent: bytes | None = None) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        if absent is not None and isinstance(error, FileNotFoundError):
            return absent
        raise UsageError(f"{where}: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > _LARGEST_FILE:
        raise UsageError(f"{where}: larger than {_LARGEST_FILE} bytes")
    return content


_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
"""Numbers as they are written: a float would round them."""


def _rows(content: bytes, where: str) -> Iterable[Key]:
    try:
        whole = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation):
        # Without the cause: a decoder may quote what it could not read.
        raise UsageError(f"{where}: not JSON") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("keys"), list) or len(whole) != 1:
        raise UsageError(f'{where}: not of the form {{"keys": [...]}}')
    return [_key(row, f"{where}: {_called(row, at)}") for at, row in enumerate(whole["keys"])]


def _called(row: object, at: int) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    known = isinstance(name, str) and _NAME.fullmatch(name)
    return f"key {name!r}" if known else f"key number {at + 1}"


def _key(row: object, where: str) -> Key:
    for name in _LISTED:
        # It would be no limit: the opposite of what one who writes it means.
        if isinstance(row, dict) and row.get(name) == []:
            raise UsageError(f"{where}: {name} is an empty list; without a limit leave it out")
    try:
        if isinstance(row, dict) and isinstance(row.get("max_order_value"), str):
            row = {**row, "max_order_value": order_value(row["max_order_value"])}
        return msgspec.convert(row, Key)
    except (msgspec.ValidationError, UsageError) as error:
        raise UsageError(f"{where}: {error}") from None


def _encoded(keys: tuple[Key, ...]) -> bytes:
    encoder = msgspec.json.Encoder(decimal_format="number")
    return msgspec.json.format(encoder.encode({"keys": keys}), indent=2) + b"\n"


def _write(target: Path, content: bytes, where: str) -> None:
    """Write a file in one step: readers see the old one or the new one, whatever happens."""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        draft = Path(name)  # its mode is 0600, and replacing keeps it
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{where}: {error.strerror}") from error
