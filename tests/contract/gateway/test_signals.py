"""Signals that come before the gateway serves, and a start that is refused."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from futukit.gateway.keys import KeyStore, make_key
from futukit.sim import SimulatedOpenD
from tests.contract.gateway.conftest import SECONDS, Wire, run
from tests.contract.gateway.test_sample import COMMAND, ROOT, refused

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_is_ended_in_order(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(SECONDS)
        url = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        child = subprocess.Popen(
            [*COMMAND, "--upstream", url, "--grpc", "0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        limit = threading.Timer(SECONDS, child.kill)
        limit.start()
        with child:
            try:
                there, _ = silent.accept()
                with there:
                    assert there.recv(1)  # it greets, and waits for an answer
                    child.send_signal(signal.SIGHUP)
                    child.send_signal(number)
                    out, err = child.communicate()
            finally:
                limit.cancel()
                child.kill()
    assert (child.returncode, out, err) == (0, "", "")


class _Early(Wire):
    """A cable to OpenD; who connects gets SIGHUP, and finds a worse keys file from then on."""

    def __init__(self, port: int, keys: Path) -> None:
        super().__init__(port)
        self.child: asyncio.Future[asyncio.subprocess.Process] = asyncio.Future()
        self._keys = keys

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._keys.write_text("[]")
        (await self.child).send_signal(signal.SIGHUP)
        await super()._carry(reader, writer)


def test_a_reload_that_is_asked_for_too_early_is_made_up_for(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    KeyStore(keys).add(make_key("desk", ["qot:read"])[0])

    async def scenario() -> None:
        async with asyncio.timeout(SECONDS), SimulatedOpenD(freeze=True) as opend:
            wire = _Early(opend.port, keys)
            async with wire.laid() as port:
                url = f"tcp://127.0.0.1:{port}"
                child = await asyncio.create_subprocess_exec(
                    *(*COMMAND, "--upstream", url, "--grpc", "0", "--keys", str(keys)),
                    cwd=ROOT,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )
                assert child.stdout is not None
                assert child.stderr is not None
                try:
                    wire.child.set_result(child)
                    assert json.loads(await child.stdout.readline())["event"] == "ready"
                    complaint = await child.stderr.readline()
                    assert b"the keys stay as they were" in complaint
                    child.terminate()
                    assert await child.wait() == 0
                finally:
                    if child.returncode is None:
                        child.kill()
                    await child.communicate()

    run(scenario())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has one")
def test_an_audit_file_that_takes_no_line_is_refused() -> None:
    status, text = refused("--grpc", "0", "--audit", "/dev/full")
    assert (status, text.count("\n")) == (2, 1)
    assert "cannot write audit lines to /dev/full: No space left on device" in text
