"""The WebSocket benchmark: its source speaks the RFC, its contenders all get their messages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from benchmarks.clock import QUICK
from benchmarks.figures import Absent, Figure
from benchmarks.groups import websocket
from benchmarks.run import Run
from benchmarks.websocket_source import framed, unmasked


@given(st.binary(max_size=300))
def test_frames_by_hand_are_those_of_the_library(message: bytes) -> None:
    assert framed(message) == Frame(Opcode.BINARY, message).serialize(mask=False)
    masked = Frame(Opcode.BINARY, message).serialize(mask=True)
    assert unmasked(b"x" + masked + b"rest", 1) == (2, message[:5], len(masked) + 1)
    assert all(unmasked(masked[:cut], 0) is None for cut in range(len(masked)))


def test_contenders_get_every_message_on_both_faces(tmp_path: Path) -> None:
    messages = [bytes([number]) * 200 for number in range(7)]
    with websocket.source(tmp_path, messages) as port:
        for case in websocket._CASES:
            makers: list[Callable[[int, int], Any]] = [case.ours]
            if case.package == "websockets":  # the others need not be installed
                makers.append(case.theirs)
            for make in makers:
                with make(port, 200) as contender:
                    assert contender.take(100) > 0
                    assert len(contender.calls(3)) == 3


def test_a_library_that_is_not_installed_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "websockets":
            return "1"
        raise PackageNotFoundError(package)

    monkeypatch.setattr(websocket, "version", version)
    monkeypatch.setattr(websocket, "cut", lambda *_: [b""])
    monkeypatch.setattr(websocket, "_figures", lambda *_: iter(()))
    monkeypatch.setattr(websocket, "source", lambda *_: nullcontext(0))
    with closing(Run(QUICK)) as run:
        rows = list(websocket.measure(run))
    assert not any(isinstance(row, Figure) for row in rows)
    assert {row.baseline for row in rows if isinstance(row, Absent)} == {"picows", "wsproto"}
