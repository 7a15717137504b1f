"""The two sides: one process with the official SDK, one with ours, and what they answered."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from futukit.sim import SimulatedOpenD
from tests.differential.cases import Case, Group, groups
from tests.differential.describe import describe
from tests.differential.thin import thin_out
from tests.interop.child import Child
from tests.interop.modes import MODES, Mode
from tests.support.upstream import official_python

ROOT: Final = Path(__file__).resolve().parents[2]
OFFICIAL_FACE: Final = "futu"
OUR_FACE: Final = "futukit.futu"
_SECONDS: Final = 30.0
"""No command may take longer; the official request timeout is 12 s, for a handshake 20 s."""

_UNAWAITED: Final = frozenset({1004, 2008, 3002})
"""Requests of the official SDK that no method waits for: they come when they like."""

COMPARED_MODES: Final = tuple(mode for mode in MODES if mode.name in ("plain", "aes_cbc"))


class SideError(AssertionError):
    """A command that a side could not carry out, or did not answer."""


class Side(Child):
    """A process with one face in it."""

    def __init__(self, home: Path, python: str | Path, face: str) -> None:
        environment = {
            "PYTHONUTF8": "1",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
        }
        command = [python, "-P", "-m", "tests.differential.worker", "--face", face]
        super().__init__(home, command, environment)
        self.face = face
        self._stuck = False

    def do(self, command: str, **details: Any) -> Any:
        """One command of worker.py; raises SideError."""
        if self._stuck:
            raise SideError(f"{self.face}: did not answer an earlier command")
        self.send({"do": command, **details})
        answer = self.next_line(_SECONDS)
        if answer is None:
            self._stuck = True
            raise SideError(f"{self.face}: no answer to {command} {details}\n{self.log_tail()}")
        if "error" in answer:
            raise SideError(f"{self.face}: {command} {details}: {answer['error']}")
        return answer["result"]

    def configure(self, mode: Mode, key_file: Path) -> None:
        """Have every context of this process talk as ``mode`` says."""
        self.do("system", method="enable_proto_encrypt", args=[mode.encrypt])
        # With a key file, the official SDK seals InitConnect even if it is not to encrypt.
        file = str(key_file) if mode.has_key else ""
        self.do("system", method="set_init_rsa_file", args=[file])

    def open(self, name: str, kind: str, port: int, **kwargs: Any) -> None:
        """Open a context that must open; raises SideError."""
        opened = self.do("open", name=name, kind=kind, kwargs={"port": port, **kwargs})
        if opened["kind"] != "opened":
            raise SideError(f"{self.face}: {kind} context {kwargs}: {opened}")


class Sides(NamedTuple):
    """Both, side by side."""

    official: Side
    ours: Side


@contextmanager
def both_sides(folder: Path) -> Iterator[Sides]:
    """Both processes."""
    homes = [folder / "official", folder / "ours"]
    for home in homes:
        home.mkdir()
    # The other face, for working on the harness itself: official against official.
    ours = os.environ.get("FUTUKIT_DIFFERENTIAL_FACE", OUR_FACE)
    python: str | Path = official_python() if ours == OFFICIAL_FACE else sys.executable
    with (
        Side(homes[0], official_python(), OFFICIAL_FACE) as official,
        Side(homes[1], python, ours) as own,
    ):
        yield Sides(official, own)


def simulator(mode: Mode, key_file: Path, **settings: Any) -> SimulatedOpenD:
    """A simulator that is the same whenever it is started."""
    known = {"seed": 1, "freeze": True, "insecure_fixed_keys": True}
    return SimulatedOpenD(**{**known, **mode.simulator(key_file), **settings})


Answers = dict[str, Any]
"""Case id → description of what the face returned."""


Sent = dict[int, list[Any]]
"""Proto id → descriptions of the requests of a call, in their order."""


class Answered(NamedTuple):
    """What one side answered, and what it asked the server for that."""

    answers: Answers
    sent: dict[str, Sent]


class Comparison(NamedTuple):
    """Both sides in one mode."""

    official: Answered
    ours: Answered


def compare_all(sides: Sides, mode: Mode, key_file: Path) -> Comparison:
    """Run every group on both sides."""
    found = Comparison(Answered({}, {}), Answered({}, {}))
    for side in sides:
        side.configure(mode, key_file)
    with ThreadPoolExecutor(2) as pool:
        for group in groups():
            runs = [pool.submit(run_group, side, group, mode, key_file) for side in sides]
            for side_found, run in zip(found, runs, strict=True):
                answers, sent = run.result()
                side_found.answers.update(answers)
                side_found.sent.update(sent)
    return found


def run_group(side: Side, group: Group, mode: Mode, key_file: Path) -> Answered:
    """Run a group's cases on one side, with a simulator of its own."""
    found = Answered({}, {})
    with simulator(mode, key_file, **group.settings) as opend:
        noted = _note_requests(opend)
        if group.thin:
            thin_out(opend)
        for name, context in group.contexts.items():
            kwargs = {"port": opend.port, **context.get("kwargs", {})}
            side.do("open", name=name, kind=context["kind"], kwargs=kwargs)
        for step in group.steps:
            if not isinstance(step, Case):
                opend.advance(step.seconds)
                continue
            noted.clear()
            found.answers[step.id] = _answer(side, step)
            found.sent[step.id] = _by_proto_id(noted)
        side.do("close_all")
    return found


def _answer(side: Side, case: Case) -> Any:
    try:
        return side.do(
            "call",
            name=case.on,
            method=case.call,
            args=case.args,
            kwargs=case.kwargs,
            **{"as": case.reference},
        )
    except SideError as error:
        return {"kind": "failed", "text": str(error)}


def _note_requests(opend: SimulatedOpenD) -> list[tuple[int, Any]]:
    """A list that every request from now on is added to."""
    noted: list[tuple[int, Any]] = []
    answer = opend.opend.call

    def noting(peer: Any, proto_id: int, request: msgspec.Struct) -> msgspec.Struct:
        noted.append((proto_id, msgspec.to_builtins(request)))
        return answer(peer, proto_id, request)

    opend.opend.call = noting  # type: ignore[method-assign]
    return noted


def _by_proto_id(noted: list[tuple[int, Any]]) -> Sent:
    sent: Sent = {}
    for proto_id, request in noted:
        if proto_id not in _UNAWAITED:
            c2s = request.get("c2s") or {}
            c2s.pop("packet_id", None)  # names the connection and counts
            sent.setdefault(proto_id, []).append(describe(request))
    return dict(sorted(sent.items()))
