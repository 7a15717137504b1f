"""Where the official SDK is required, as in continuous integration, nothing may be skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent
_TEST = "test_contexts.py::test_same_as_official[settings]"


@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
def test_without_the_official_sdk(tmp_path: Path, required: bool) -> None:
    """With an empty cache and no network: a failure where it is required, else a skip."""
    environment = {**os.environ, "FUTUKIT_OFFLINE": "1", "FUTUKIT_CACHE": str(tmp_path)}
    environment["FUTUKIT_INTEROP"] = "required" if required else ""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(_FOLDER / _TEST)],
        cwd=_FOLDER.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == (1 if required else 0), run.stdout
    assert "is not in the cache and FUTUKIT_OFFLINE is set" in run.stdout
    assert ("1 skipped" in run.stdout) is not required
