"""The gateway as a process: the reference's sample against it, its signals, what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from futukit import sync
from futukit.errors import Unauthenticated
from futukit.gateway.keys import KeyStore, make_key
from futukit.sim import SimulatedOpenD

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "tests" / "contract" / "grpc" / "sample.py"
FILES = ("Common", "Qot_Common", "Qot_Sub", "Qot_GetBasicQot")
SECONDS = 30.0
COMMAND = [sys.executable, "-W", "error", "-m", "futukit", "gateway"]


class Process:
    """``futukit gateway`` that serves; ``ready`` is what its ready line says."""

    def __init__(self, *arguments: str) -> None:
        self.child = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.child.stdout is not None
        self._limit = threading.Timer(SECONDS, self.child.kill)
        self._limit.start()
        line = self.child.stdout.readline()
        self.ready: dict[str, Any] = json.loads(line) if line else {}

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.ready['grpc']}"

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Signal it; status, further output and complaints."""
        self.child.send_signal(number)
        out, err = self.child.communicate(timeout=SECONDS)
        return self.child.returncode, out, err

    def close(self) -> None:
        self._limit.cancel()
        self.child.kill()
        self.child.communicate()


@pytest.fixture
def opend() -> Iterator[SimulatedOpenD]:
    with SimulatedOpenD(seed=1) as serving:
        yield serving


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[Process]:
    process = Process(*arguments)
    try:
        yield process
    finally:
        process.close()


def test_the_sample_of_the_reference(tmp_path: Path, opend: SimulatedOpenD) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}"]
    command += [f"--grpc_python_out={tmp_path}", "futu_service.proto"]
    command += [f"{name}.proto" for name in FILES]
    subprocess.run(command, cwd=ROOT / "protos", check=True, capture_output=True)
    with serving("--upstream", opend.url, "--grpc", "0") as gateway:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(SAMPLE), str(gateway.ready["grpc"])],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["00700", "proto_id=3005 sec_key=1_00700"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_serves_and_ends_in_order(
    opend: SimulatedOpenD, number: signal.Signals
) -> None:
    doors = ["--grpc", "0", "--tcp", "0", "--ws", "0", "--metrics", "0"]
    with serving("--upstream", opend.url, *doors) as gateway:
        assert gateway.ready["event"] == "ready"
        assert set(gateway.ready) == {"event", "grpc", "tcp", "ws", "ft+ws", "metrics"}
        with sync.connect(gateway.url, reconnect=False) as client:
            assert client.system.get_global_state().qot_logined
            assert gateway.end(number) == (0, "", "")


def test_sighup_reads_the_keys_again(tmp_path: Path, opend: SimulatedOpenD) -> None:
    path = tmp_path / "keys.json"
    store = KeyStore(path)
    old, old_text = make_key("old", ["qot:read", "acc:read"])
    new, new_text = make_key("new", ["qot:read", "acc:read"])
    store.add(old)
    with serving("--upstream", opend.url, "--grpc", "0", "--keys", str(path)) as gateway:
        before = sync.connect(gateway.url, api_key=old_text, reconnect=False)
        lost = threading.Event()
        before.on_state(lambda change: lost.set() if change.state.value == "lost" else None)
        with pytest.raises(Unauthenticated):
            sync.connect(gateway.url, api_key=new_text)
        store.remove("old")
        store.add(new)
        gateway.child.send_signal(signal.SIGHUP)
        assert lost.wait(SECONDS)
        before.close()
        with sync.connect(gateway.url, api_key=new_text) as client:
            assert client.system.get_global_state().qot_logined
        with pytest.raises(Unauthenticated):
            sync.connect(gateway.url, api_key=old_text)
        status, out, err = gateway.end(signal.SIGTERM)
        assert (status, out, err) == (0, "", "")


def test_sighup_with_a_broken_file_keeps_the_keys(tmp_path: Path, opend: SimulatedOpenD) -> None:
    path = tmp_path / "keys.json"
    key, text = make_key("desk", ["qot:read"])
    KeyStore(path).add(key)
    with serving("--upstream", opend.url, "--grpc", "0", "--keys", str(path)) as gateway:
        path.write_text("[]")
        gateway.child.send_signal(signal.SIGHUP)
        assert gateway.child.stderr is not None
        complaint = gateway.child.stderr.readline()
        assert "the keys stay as they were" in complaint
        with sync.connect(gateway.url, api_key=text) as client:
            assert client.system.get_global_state().qot_logined
        assert gateway.end(signal.SIGTERM)[0] == 0


def refused(*arguments: str) -> tuple[int, str]:
    """Exit status and complaint of a gateway that does not begin to serve."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_another_address_than_a_local_one_needs_keys(opend: SimulatedOpenD) -> None:
    status, text = refused("--upstream", opend.url, "--grpc", "0", "--host", "0.0.0.0")
    assert (status, text[:9]) == (2, "futukit: ")
    assert "keys" in text


def test_another_address_than_a_local_one_needs_tls(tmp_path: Path, opend: SimulatedOpenD) -> None:
    path = tmp_path / "keys.json"
    KeyStore(path).add(make_key("desk", ["qot:read"])[0])
    arguments = ["--upstream", opend.url, "--grpc", "0", "--host", "0.0.0.0", "--keys", str(path)]
    status, text = refused(*arguments)
    assert (status, "tls_cert" in text) == (2, True)


def test_without_an_upstream_it_does_not_begin() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        status, text = refused("--upstream", url, "--grpc", "0")
    assert (status, text[:9]) == (1, "futukit: ")


def test_a_port_that_is_taken_is_a_failure(opend: SimulatedOpenD) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for door in ("--grpc", "--tcp", "--metrics"):
            arguments = [door, port] if door != "--metrics" else ["--grpc", "0", door, port]
            status, text = refused("--upstream", opend.url, *arguments)
            assert (status, "cannot listen" in text) == (1, True), text


@pytest.mark.parametrize("content", [None, "{", '{"keys": [{"name": "x"}]}'])
def test_a_keys_file_that_cannot_be_used_is_refused(
    tmp_path: Path, opend: SimulatedOpenD, content: str | None
) -> None:
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_text(content)
    status, text = refused("--upstream", opend.url, "--grpc", "0", "--keys", str(path))
    assert (status, "keys file" in text) == (2, True)
