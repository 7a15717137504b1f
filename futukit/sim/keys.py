"""Connection ids, AES keys and initialisation vectors."""

from __future__ import annotations

import secrets
import string
from collections.abc import Container
from typing import Final

from futukit.sim.chance import dice

__all__ = ["KeyMaker"]

_LETTERS: Final = string.ascii_letters + string.digits
_KEY_CHARACTERS: Final = 16
_ID_BITS: Final = 63


class KeyMaker:
    """Makes what every connection has of its own.

    Ids and keys come from the operating system; with a ``fixed_seed`` the n-th connection gets
    the same ones every time, which protects nothing and is for golden files.
    """

    def __init__(self, fixed_seed: int | None = None) -> None:
        self._fixed_seed = fixed_seed
        self._made = 0

    def connection_id(self, taken: Container[int]) -> int:
        """A connection id that is not among ``taken``, above 0."""
        while True:
            self._made += 1
            number = self._draw("connection", _ID_BITS)
            if number and number not in taken:
                return number

    def aes_key(self) -> str:
        """16 ASCII letters and digits."""
        return self._letters("key")

    def iv(self) -> str:
        """16 ASCII letters and digits for AES_CBC."""
        return self._letters("iv")

    def _letters(self, what: str) -> str:
        if self._fixed_seed is None:
            return "".join(secrets.choice(_LETTERS) for _ in range(_KEY_CHARACTERS))
        chance = dice(f"{self._fixed_seed}|{what}|{self._made}")
        return "".join(chance.choices(_LETTERS, k=_KEY_CHARACTERS))

    def _draw(self, what: str, bits: int) -> int:
        if self._fixed_seed is None:
            return secrets.randbits(bits)
        return dice(f"{self._fixed_seed}|{what}|{self._made}").getrandbits(bits)
