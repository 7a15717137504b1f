"""The audit file of a running gateway: a full disk, a rotation."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.contract.gateway.conftest import STATE, run, scene
from tests.contract.gateway.test_orders import order, paper
from tests.unit.gateway.test_audit import room

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and renaming are POSIX")


def events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text("utf-8").splitlines()]


def test_a_full_disk_stops_neither_orders_nor_clients_nor_housekeeping(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    async def scenario() -> None:
        async with scene(audit=str(path)) as it:
            one = it.plain()
            header, *_ = await paper(one)
            before = events(path)
            with room(path, 0):
                assert (await one.must(2202, order(header))).order_id
                assert (await it.plain("other").must(1002, STATE)).qot_logined
                await it.empty()
            assert len(it.upstream(2202)) == 1
            assert events(path) == before
            # The order, the client that came, its call, and both that went.
            assert "\nfutukit_gateway_audit_lost_total 5.0\n" in it.gateway.metrics.text()
            assert (await it.plain().must(1002, STATE)).qot_logined
            assert events(path) == [*before, "joined", "call"]

    run(scenario())


def test_a_reload_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"

    async def scenario() -> None:
        async with scene(audit=str(path)) as it:
            one = it.plain()
            await one.must(1002, STATE)
            path.rename(old)
            it.gateway.reload()
            await one.must(1002, STATE)
            assert events(old) == ["audit_opened", "upstream_up", "joined", "call"]
            assert events(path) == ["audit_opened", "keys_reloaded", "call"]

    run(scenario())
