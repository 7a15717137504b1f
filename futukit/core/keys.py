"""The RSA key that both sides of an encrypted connection hold, and InitConnect under it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from futukit.errors import DecryptError, UsageError

if TYPE_CHECKING:
    from Crypto.PublicKey.RSA import RsaKey as _Key

__all__ = ["RsaKey", "load_rsa_key"]

_LEAST_BITS: Final = 1024
_PADDING_BYTES: Final = 11
_LONGEST_SEALED: Final = 16 * 1024
"""InitConnect has some hundred bytes, and each block costs an operation with the private key."""

_PEM: Final = "-----BEGIN"
_LARGEST_FILE: Final = 64 * 1024


class RsaKey:
    """A private key. PKCS#1 v1.5 padding; a plain text goes in chunks of key size - 11 bytes.

    Both sides hold the whole key: its public half seals, its private half opens.
    """

    __slots__ = ("_cipher", "_size")

    def __init__(self, key: _Key) -> None:
        from Crypto.Cipher import PKCS1_v1_5

        self._cipher: Any = PKCS1_v1_5.new(key)
        self._size = key.size_in_bytes()

    def __repr__(self) -> str:
        return f"RsaKey({8 * self._size} bits)"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not pickled")

    def seal(self, plain: bytes) -> bytes:
        """Encrypt. An empty plain text becomes one block."""
        step = self._size - _PADDING_BYTES
        chunks = [plain[at : at + step] for at in range(0, len(plain), step)] or [b""]
        return b"".join([self._cipher.encrypt(chunk) for chunk in chunks])

    def open(self, wire: bytes) -> bytes:
        """Decrypt. Raises DecryptError, with one reason for whatever is wrong."""
        if len(wire) % self._size or len(wire) > _LONGEST_SEALED:
            raise DecryptError(_FAILED)
        plain = []
        for at in range(0, len(wire), self._size):
            try:
                chunk = self._cipher.decrypt(wire[at : at + self._size], None)
            except ValueError:
                chunk = None
            if chunk is None:
                # Outside the handler: what a cipher library says of a key is not for logs.
                raise DecryptError(_FAILED)
            plain.append(chunk)
        return b"".join(plain)


_FAILED: Final = "the body does not decrypt"


def load_rsa_key(source: str) -> RsaKey:
    """Read a private key: PEM text, or the path of a PEM file (PKCS#1 or PKCS#8).

    Raises UsageError, which names the file but never shows what is in it.
    """
    from Crypto.PublicKey import RSA

    if _PEM in source:
        where, text = "option rsa_key", source
    else:
        where = f"option rsa_key, file {source!r}"
        text = _read(Path(source), where)
    try:
        key = RSA.import_key(text)
    except (ValueError, IndexError, TypeError):
        raise UsageError(f"{where}: not an unencrypted RSA key in PEM form") from None
    if not key.has_private():
        raise UsageError(f"{where}: a public key; the private one is needed")
    if key.size_in_bits() < _LEAST_BITS:
        raise UsageError(f"{where}: the key has {key.size_in_bits()} bits, {_LEAST_BITS} at least")
    return RsaKey(key)


def _read(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"{where}: {error.strerror}") from error
    except ValueError:
        raise UsageError("option rsa_key is neither a key in PEM form nor a path") from None
    if len(content) > _LARGEST_FILE:
        raise UsageError(f"{where}: too large for a key")
    return content.decode("latin-1")
