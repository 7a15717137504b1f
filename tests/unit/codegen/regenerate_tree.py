"""Scratch copies of ``protos/`` and of the package, and the commands that run on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PROTOS = ROOT / "protos"
TABLES = ("proto_ids.toml", "enums.toml", "docs.toml", "secrets.toml", "limits.toml")

_CHILD = Path(__file__).with_name("regenerate_child.py")
_SECONDS = 60


def codegen(*arguments: str | Path, hash_seed: int = 0) -> subprocess.CompletedProcess[str]:
    """Run ``python -m codegen`` as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "codegen", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def overlay(out: Path) -> Path:
    """Copy the package without its messages below ``out``; ``generate`` puts others there."""
    left_out = shutil.ignore_patterns("__pycache__", "messages", "sim", "cli")
    shutil.copytree(ROOT / "futukit", out / "futukit", ignore=left_out)
    return out


def child(out: Path, *arguments: str) -> dict[str, Any]:
    """Run ``regenerate_child.py`` with the package that stands below ``out``."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-P", str(_CHILD), *arguments],
        cwd=out,
        env={**os.environ, "PYTHONPATH": str(out), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def contents(root: Path) -> dict[str, bytes]:
    """Every file below ``root``: path → bytes."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
