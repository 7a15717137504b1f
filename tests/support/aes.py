"""Bodies under AES by pycryptodome's public interface alone: what the compiled core must equal."""

from __future__ import annotations

from typing import Final

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from futukit._native.cipher import Cipher

__all__ = ["ALGORITHMS", "IV", "KEY", "cipher", "encrypted_blocks", "sealed"]

ALGORITHMS: Final = ("ftaes_ecb", "aes_ecb", "aes_cbc")

#: As a server makes them: 16 characters of ASCII.
KEY: Final = b"k3yK3yk3yK3yk3yK"
IV: Final = b"1vIV1vIV1vIV1vIV"


def cipher(algorithm: str, key: bytes = KEY) -> Cipher:
    """The cipher under test."""
    return Cipher(algorithm, key, IV if algorithm == "aes_cbc" else b"")


def encrypted_blocks(algorithm: str, blocks: bytes) -> bytes:
    """Whole blocks under the key, without any padding."""
    if algorithm == "aes_cbc":
        return AES.new(KEY, AES.MODE_CBC, IV).encrypt(blocks)
    return AES.new(KEY, AES.MODE_ECB).encrypt(blocks)


def sealed(algorithm: str, plain: bytes) -> bytes:
    """A body as it goes over the wire."""
    if algorithm != "ftaes_ecb":
        return encrypted_blocks(algorithm, pad(plain, 16))
    zeros = bytes(-len(plain) % 16)
    return encrypted_blocks(algorithm, plain + zeros) + bytes(15) + bytes([len(plain) % 16])
