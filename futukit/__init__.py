"""futukit: a client toolkit for the OpenD gateway of Futu / moomoo.

``futukit.aio`` and ``futukit.sync`` hold ``connect()``; they load when first touched, so that
``import futukit`` itself costs little and has no side effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from futukit import aio, errors, sync, types

__version__ = "0.1.0"

__all__ = ["__version__", "aio", "errors", "sync", "types"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
