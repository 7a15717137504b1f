"""Runs everything and writes docs/gateway_ids.md."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.contract.gateway_ids.outcomes import run
from tests.contract.gateway_ids.page import PAGE, rendered

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(Path(folder)))
    PAGE.write_text(rendered(found), encoding="utf-8", newline="\n")
