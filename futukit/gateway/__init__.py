"""One upstream OpenD for many clients: who may call what, and the server that carries it.

``Gateway``, ``GatewaySettings`` and ``GatewayPorts`` load when first touched: they need the extra
``gateway``, which the keys do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from futukit.gateway.gateway import Gateway
    from futukit.gateway.settings import GatewayPorts, GatewaySettings

__all__ = ["Gateway", "GatewayPorts", "GatewaySettings"]

_HOMES: Final = {"Gateway": "gateway", "GatewayPorts": "settings", "GatewaySettings": "settings"}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        from importlib import import_module

        if name == "Gateway":
            for needed in ("metrics", "grpc_services"):  # they say what is not installed
                import_module(f"{__name__}.{needed}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
