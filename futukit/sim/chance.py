"""Chance that repeats: every draw is decided by the text it is drawn for."""

from __future__ import annotations

from random import Random

__all__ = ["dice"]


def dice(text: str) -> Random:
    """A generator that gives the same draws for the same text, in every process."""
    return Random(text)  # noqa: S311 - made-up market data, not secrets
