"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from google.protobuf.internal import api_implementation

import futukit

__all__ = ["describe"]


def describe() -> dict[str, object]:
    """The machine and the versions that matter, ready for JSON."""
    model, flags = _processor()
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": model,
        "cores": os.cpu_count(),
        "sha_ni": None if flags is None else "sha_ni" in flags or "sha1" in flags,
        "load": _load(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "futukit": futukit.__version__,
        "msgspec": version("msgspec"),
        "protobuf": version("protobuf"),
        "protobuf_runtime": api_implementation.Type(),
    }


def _processor() -> tuple[str, frozenset[str] | None]:
    """Model name and feature flags (``sha_ni`` on x86, ``sha1`` on ARM); no flags if unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), None
    facts = dict(_fact(line) for line in lines if ":" in line)
    flags = facts.get("flags") or facts.get("Features") or ""
    return facts.get("model name", platform.machine()), frozenset(flags.split())


def _fact(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _load() -> list[float] | None:
    """How busy the machine was over 1, 5 and 15 minutes; None where nobody knows."""
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except (AttributeError, OSError):
        return None
