"""Where the official SDKs are required, as in continuous integration, nothing may be skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_ONE_OF_EACH = (
    "test_official_steps.py::test_step[plain-1001 InitConnect]",
    "test_script_session.py::test_login_where_no_key_is_wanted",
)


@pytest.mark.parametrize("test", _ONE_OF_EACH)
@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
def test_what_cannot_be_had(tmp_path: Path, test: str, required: bool) -> None:
    """With an empty cache and no network: a failure where it is required, else a skip."""
    environment = {**os.environ, "FUTUKIT_OFFLINE": "1", "FUTUKIT_CACHE": str(tmp_path)}
    environment["FUTUKIT_INTEROP"] = "required" if required else ""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(_TESTS / test)],
        cwd=_TESTS.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == (1 if required else 0), run.stdout
    assert "is not in the cache and FUTUKIT_OFFLINE is set" in run.stdout
    assert ("1 skipped" in run.stdout) is not required
