"""``futukit decode``: a captured byte stream, a line for each of its frames."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from hmac import compare_digest
from pathlib import Path
from typing import Any, BinaryIO, Final

from futukit._native.cipher import Cipher
from futukit._native.frame import HEADER_BYTES, Envelope, FrameReader
from futukit.core.keys import RsaKey, load_rsa_key
from futukit.core.session.machine import INIT_CONNECT
from futukit.errors import DecryptError, HandshakeError, UsageError
from futukit.messages import init_connect, registry
from futukit.trace import Account, Kind

__all__ = ["Keys", "frames", "keys_for", "run"]

_HEADER: Final = struct.Struct("<2sIBBII20s8s")
_LEAST_SEALED_BYTES: Final = 128
"""A block of the shortest RSA key."""

_SEALED: Final = "sealed with an RSA key that is not at hand"
_CLOSED: Final = "the body is damaged, or encrypted and no key at hand opens it"
_FORMATS: Final = {0: "protobuf", 1: "json"}


def run(file: str, keys: Keys, *, as_json: bool, width: int | None) -> None:
    """Print the frames of a file, ``-`` for standard input, until it ends or one is broken.

    Raises FrameError and DecryptError with the place in the stream, OSError for a file that
    cannot be read.
    """
    with _opened(file) as stream:
        for offset, account in frames(stream, keys):
            print(_object(offset, account) if as_json else account.line(f"@{offset}", width))


def frames(stream: BinaryIO, keys: Keys) -> Iterator[tuple[int, Account]]:
    """The frames of a stream with their places in it, read one by one.

    Raises FrameError and DecryptError, also where the stream ends within a frame.
    """
    reader = FrameReader()
    reader.opener = keys
    side: Kind | None = None
    while header := stream.read(HEADER_BYTES):
        offset = reader.offset
        reader.feed(header)
        envelope = next(reader, None)  # a frame without a body is complete
        if envelope is None and len(header) == HEADER_BYTES:
            _, proto_id, body_format, _, serial, wire_bytes, *_ = _HEADER.unpack(header)
            keys.is_greeting = proto_id == INIT_CONNECT
            reader.feed(stream.read(wire_bytes))
            try:
                envelope = next(reader, None)
            except _Sealed as sealed:
                packet = Envelope(proto_id, serial, body_format, sealed.wire)
                yield offset, Account(packet, registry.row(proto_id).name, None, None, _SEALED)
                continue
        if envelope is None:
            break
        account = Account.of(envelope)
        if account.kind is None:
            # One direction was captured: what tells nothing of itself goes the way of the others.
            account = Account.of(envelope, side)
        side = account.kind
        keys.learn(account.message)
        yield offset, account
    reader.eof()


class _Sealed(Exception):
    """InitConnect is under an RSA key that we do not have; the frames behind it may be readable."""

    def __init__(self, wire: bytes) -> None:
        super().__init__(_SEALED)
        self.wire = wire


class Keys:
    """The keys at hand. Which one opens a body, the digest of the plain body tells.

    As an opener of frames: a body may be plain, under one of the ciphers, or under the RSA key.
    ``is_greeting`` says that the next one is InitConnect's.
    """

    def __init__(self, rsa: RsaKey | None = None, *ciphers: Cipher) -> None:
        self.is_greeting = False
        self._rsa = rsa
        self._ciphers = list(ciphers)
        self._is_sealed = False

    def open(self, wire: bytes, digest: bytes, /) -> bytes:
        """The plain body. Raises DecryptError where no key opens it."""
        self._is_sealed = False
        if _has_digest(wire, digest):
            return wire
        for cipher in self._ciphers:
            if (plain := _tried(cipher.decrypt, wire, digest)) is not None:
                return plain
        if self._rsa is not None and (plain := _tried(self._rsa.open, wire, digest)) is not None:
            self._is_sealed = True
            return plain
        if self.is_greeting and self._rsa is None and len(wire) >= _LEAST_SEALED_BYTES:
            raise _Sealed(wire)
        raise DecryptError(_CLOSED)

    def learn(self, message: object) -> None:
        """Take the AES key out of a sealed answer to InitConnect; behind it all is encrypted.

        Raises HandshakeError for a key that is none.
        """
        if not (isinstance(message, init_connect.Response) and message.s2c and self._is_sealed):
            return
        key, iv = message.s2c.conn_aes_key, message.s2c.aes_cbc_iv
        try:
            self._ciphers = _ciphers(key, iv or None, None)
        except UsageError:
            raise HandshakeError("InitConnect names an AES key or IV that is none") from None


def _tried(open_body: Any, wire: bytes, digest: bytes) -> bytes | None:
    """The plain body, None if this is not the key."""
    try:
        plain: bytes = open_body(wire)
    except DecryptError:
        return None
    return plain if _has_digest(plain, digest) else None


def _has_digest(body: bytes, digest: bytes) -> bool:
    return compare_digest(hashlib.sha1(body, usedforsecurity=False).digest(), digest)


def keys_for(
    rsa_key: str | None = None,
    aes_key: str | None = None,
    aes_iv: str | None = None,
    encryption: str | None = None,
) -> Keys:
    """Keys from what a command line says. Raises UsageError, which never repeats a key."""
    rsa = None if rsa_key is None else load_rsa_key(rsa_key)
    if aes_key is None:
        if aes_iv is not None or encryption is not None:
            raise UsageError("--aes-iv and --encryption say how --aes-key is used; it is missing")
        return Keys(rsa)
    return Keys(rsa, *_ciphers(aes_key, aes_iv, encryption))


def _ciphers(key: str, iv: str | None, encryption: str | None) -> list[Cipher]:
    """The ciphers that may be meant, the likeliest first. Raises UsageError."""
    if encryption is not None:
        names = [encryption]
    else:
        names = ["ftaes_ecb", "aes_ecb"] if iv is None else ["aes_cbc"]
    if iv is not None and names != ["aes_cbc"]:
        raise UsageError(f"{encryption} has no initialisation vector")
    return [Cipher(name, _bytes(key), _bytes(iv or "")) for name in names]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # as the command line was read


def _opened(file: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb")


def _object(offset: int, account: Account) -> str:
    """One line of ``--json``."""
    envelope = account.envelope
    is_push = envelope.proto_id in registry.PUSH_IDS
    facts: dict[str, Any] = {
        "offset": offset,
        "kind": "push" if is_push else account.kind,
        "proto_id": envelope.proto_id,
        "name": account.name,
        "serial": envelope.serial,
        "body_format": _FORMATS[envelope.body_format],
        "size": len(envelope.body),
    }
    if account.fault:
        facts["error"] = account.fault
    if account.message is not None:
        facts["message"] = account.plain()
    return json.dumps(facts, separators=(",", ":"))
