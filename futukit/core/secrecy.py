"""What is asked and what is granted: the encryption of one connection, for both roles.

InitConnect goes out RSA-encrypted where there is a key, and its answer comes back so if anything
is granted. An answer tells by itself whether it is encrypted: the digest in its header is that
of the plain body. Without a key nothing is encrypted, whatever was asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from hmac import compare_digest
from typing import Final

from futukit._native.cipher import Cipher
from futukit.core.keys import RsaKey
from futukit.core.links import Link
from futukit.errors import DecryptError, HandshakeError
from futukit.messages import init_connect
from futukit.messages.common import PacketEncAlgo

__all__ = ["ClientSecrecy", "ServerSecrecy"]

_ALGORITHMS: Final[Mapping[str, PacketEncAlgo]] = {
    "none": PacketEncAlgo.NONE,
    "ftaes_ecb": PacketEncAlgo.FTAES_ECB,
    "aes_ecb": PacketEncAlgo.AES_ECB,
    "aes_cbc": PacketEncAlgo.AES_CBC,
    "required": PacketEncAlgo.AES_CBC,
}
_NAMES: Final[Mapping[int, str]] = {0: "ftaes_ecb", 1: "aes_ecb", 2: "aes_cbc"}
_KEY_BYTES: Final = 16


class _HandshakeOpener:
    """Opens InitConnect, which may have come in plain or under the RSA key."""

    __slots__ = ("_key", "sealed")

    def __init__(self, key: RsaKey | None) -> None:
        self._key = key
        self.sealed = False

    def open(self, wire: bytes, digest: bytes, /) -> bytes:
        if compare_digest(hashlib.sha1(wire, usedforsecurity=False).digest(), digest):
            return wire
        if self._key is None:
            raise DecryptError("InitConnect is damaged, or sealed while there is no RSA key here")
        self.sealed = True
        return self._key.open(wire)


class ClientSecrecy:
    """The client's part. ``encryption`` is what is asked; ``required`` refuses to get none."""

    __slots__ = ("_encryption", "_key")

    def __init__(self, encryption: str = "none", key: RsaKey | None = None) -> None:
        self._encryption = encryption
        self._key = key

    @property
    def asked(self) -> PacketEncAlgo:
        """What InitConnect asks for."""
        return _ALGORITHMS[self._encryption]

    def begin(self, link: Link) -> None:
        """Before InitConnect is packed."""
        link.sealer = self._key
        link.opener = _HandshakeOpener(self._key)

    def settle(self, link: Link, answer: init_connect.S2C) -> str:
        """After its answer: set the ciphers that are in force from here on, and name them.

        Raises HandshakeError for keys that are none, and where encryption is required and the
        server grants none.
        """
        opener = link.opener
        sealed = isinstance(opener, _HandshakeOpener) and opener.sealed
        link.sealer = link.opener = None
        if not sealed or self.asked is PacketEncAlgo.NONE:
            if self._encryption == "required":
                raise HandshakeError("encryption is required, and the server grants none")
            return "none"
        name = _NAMES[self.asked]
        if name == "aes_cbc" and not answer.aes_cbc_iv:
            name = "ftaes_ecb"
        link.sealer = link.opener = _cipher(name, answer.conn_aes_key, answer.aes_cbc_iv)
        return name


class ServerSecrecy:
    """The server's part. ``grants`` are the encryptions that it has; CBC falls back to FTAES."""

    __slots__ = ("_grants", "_key")

    def __init__(self, key: RsaKey | None = None, grants: frozenset[str] | None = None) -> None:
        self._key = key
        self._grants = frozenset(_NAMES.values()) if grants is None else grants

    def begin(self, link: Link) -> None:
        """Before InitConnect arrives."""
        link.opener = _HandshakeOpener(self._key)

    def grant(self, link: Link, hello: init_connect.C2S) -> str:
        """What this client gets. Its answer is sealed if that is anything.

        The official SDK seals InitConnect whenever it has a key, even where it asks for no
        encryption, and then reads the answer as plain.
        """
        opener = link.opener
        sealed = isinstance(opener, _HandshakeOpener) and opener.sealed
        link.opener = None
        # An absent algorithm is FTAES_ECB (the documents of InitConnect); so is an unknown one.
        asked = 0 if hello.packet_enc_algo is None else int(hello.packet_enc_algo)
        if not sealed or asked == PacketEncAlgo.NONE or not self._grants:
            return "none"
        link.sealer = self._key
        name = _NAMES.get(asked, "ftaes_ecb")
        return name if name in self._grants else "ftaes_ecb"

    def settle(self, link: Link, granted: str, welcome: init_connect.S2C) -> None:
        """After the answer is packed: set the ciphers."""
        link.sealer = link.opener = (
            None
            if granted == "none"
            else _cipher(granted, welcome.conn_aes_key, welcome.aes_cbc_iv)
        )


def _cipher(name: str, key: str, iv: str | None) -> Cipher:
    iv = (iv or "") if name == "aes_cbc" else ""
    if not _usable(key) or (iv and not _usable(iv)):
        raise HandshakeError("InitConnect names a key that is not 16 characters of ASCII")
    return Cipher(name, key.encode("ascii"), iv.encode("ascii"))


def _usable(text: str) -> bool:
    return len(text) == _KEY_BYTES and text.isascii()
