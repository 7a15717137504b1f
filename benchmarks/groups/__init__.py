"""The groups of figures, in the order of the report; each module has ``measure(run)``."""

from __future__ import annotations

from typing import Final

__all__ = ["GROUPS"]

#: Group name → module in this package.
GROUPS: Final = {
    "frame": "frame",
    "decode": "decode",
    "encode": "encode",
    "json": "json_bodies",
    "cipher": "cipher",
    "pushes": "pushes",
    "roundtrip": "roundtrip",
    "websocket": "websocket",
    "gateway": "gateway",
    "face": "face",
    "import": "imports",
}
