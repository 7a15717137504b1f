"""Where chance comes from: generators seeded by name, the same in every process."""

from __future__ import annotations

import hashlib
from random import Random

__all__ = ["generator", "seed_of"]


def seed_of(*parts: object) -> int:
    """A 64-bit number from any parts; it does not depend on Python's hash seed."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def generator(seed: int) -> Random:
    """A reproducible generator. Nothing drawn from it protects anything."""
    return Random(seed)  # noqa: S311
