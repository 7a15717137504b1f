"""One run over all ids of the seed's table: a simulator, a gateway before it, and its clients.

Of each request: a whole Request and a bare C2S over gRPC with a key that may do everything, a
Request in frames with a key that has nothing but the scope which is needed, and the same three
with a key that has everything but that scope. Ids that need a trading scope are asked twice, for
an account of each kind. The pushes are in ``pushed``.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
from msgspec.structs import replace

from futukit import codec
from futukit.enums import TrdEnv
from futukit.gateway import Gateway, GatewayPorts, GatewaySettings
from futukit.gateway.keys import SCOPES, KeyStore, make_key
from futukit.messages import registry
from futukit.messages.qot_common import SubType
from futukit.messages.registry import ProtoId
from futukit.sim import SimulatedOpenD
from tests.contract.gateway_ids.calling import FramesDoor, GrpcDoor, Said, key_name
from tests.contract.gateway_ids.pushed import LOSERS, Pushed, push_all
from tests.support.questions import SUBSCRIBED, Questions

ROWS = tuple(row for row in registry.rows() if row.seed_name is not None)
REQUESTS = tuple(row for row in ROWS if row.kind == "request")
PUSHES = tuple(row for row in ROWS if row.kind == "push")

RAW = b"\x0a\x03raw"
"""What is sent for an id without a schema."""

_TRADE = {"trade:simulate": TrdEnv.SIMULATE, "trade:real": TrdEnv.REAL}
_SESSION = (1001, 1004)
_SUB = 3001


class Three(NamedTuple):
    """The same request three times. ``bare`` is None where there is no C2S."""

    whole: Said
    bare: Said | None
    frames: Said
    reached: int
    """How many of them OpenD has seen."""

    @property
    def all(self) -> tuple[Said, ...]:
        """Those that were made."""
        return tuple(said for said in self if isinstance(said, Said))


class Outcome(NamedTuple):
    """What became of one request. ``scope`` is empty where none is needed."""

    row: ProtoId
    scope: str
    granted: Three
    lacking: Three
    keyless: Said


class Outcomes(NamedTuple):
    """What became of all of them."""

    requests: tuple[Outcome, ...]
    pushes: tuple[Pushed, ...]


def scopes_of(row: ProtoId) -> tuple[str, ...]:
    """The scopes that a request may need, by the table of ids."""
    if row.access == "trade":
        return tuple(_TRADE)
    return ("",) if row.access == "none" else (row.access,)


def make_keys(path: Path) -> dict[str, str]:
    """A keys file with all that a run needs; the texts by name."""
    wanted: dict[str, tuple[str, ...]] = {"all": SCOPES, "nothing": ()}
    for scope in SCOPES:
        wanted[f"only {scope}"] = (scope,)
        wanted[f"without {scope}"] = tuple(one for one in SCOPES if one != scope)
    wanted |= dict.fromkeys(("watcher", *LOSERS.values()), SCOPES)
    store = KeyStore(path)
    texts = {}
    for name, scopes in wanted.items():
        key, texts[name] = make_key(key_name(name), scopes)
        store.add(key)
    return texts


async def run(folder: Path) -> Outcomes:
    """Exercise everything; the keys file is made in ``folder``."""
    path = folder / "keys.json"
    keys = make_keys(path)
    async with SimulatedOpenD(seed=1, freeze=True) as opend:
        settings = GatewaySettings(upstream=opend.url, keys=str(path), rate_limit="off")
        async with (
            Gateway(settings, GatewayPorts(grpc=0, tcp=0)) as gateway,
            grpc.aio.insecure_channel(f"127.0.0.1:{gateway.ports.grpc}") as channel,
        ):
            # The simulator answers these before it counts them: now whoever gets an answer has it
            # from the gateway.
            for proto_id in _SESSION:
                await opend.fault("silence", proto_id=proto_id, count=None)
            door = FramesDoor(gateway.ports.tcp or 0)
            try:
                caller = _Caller(opend, GrpcDoor(channel), door, keys)
                requests = await caller.call_all()
                pushes = await push_all(
                    opend, gateway, channel, keys, PUSHES, await caller.questions(TrdEnv.SIMULATE)
                )
            finally:
                door.close()
    return Outcomes(requests, pushes)


class _Caller:
    def __init__(
        self, opend: Any, over_grpc: GrpcDoor, frames: FramesDoor, keys: dict[str, str]
    ) -> None:
        self._opend = opend
        self._grpc = over_grpc
        self._frames = frames
        self._keys = keys
        self._questions: dict[TrdEnv, Questions] = {}

    async def questions(self, trd_env: TrdEnv) -> Questions:
        """The requests of one kind of account."""
        if trd_env not in self._questions:
            raw = await asyncio.to_thread(self._frames.client, self._keys["all"])
            self._questions[trd_env] = await asyncio.to_thread(Questions, raw, trd_env)
        return self._questions[trd_env]

    async def call_all(self) -> tuple[Outcome, ...]:
        return tuple(
            [await self._outcome(row, scope) for row in REQUESTS for scope in scopes_of(row)]
        )

    async def _outcome(self, row: ProtoId, scope: str) -> Outcome:
        whole, bare = await self._bodies(row, scope)
        only = f"only {scope}" if scope else "nothing"
        lacking = f"without {scope}" if scope else "nothing"
        granted = await self._three(row.proto_id, whole, bare, "all", only)
        return Outcome(
            row,
            scope,
            granted,
            await self._three(row.proto_id, whole, bare, lacking, lacking),
            await self._grpc.call(None, row.proto_id, whole),
        )

    async def _bodies(self, row: ProtoId, scope: str) -> tuple[bytes, bytes | None]:
        """The bytes of the whole Request, and those of its C2S."""
        if row.module is None:
            return RAW, None
        questions = await self.questions(_TRADE.get(scope, TrdEnv.SIMULATE))
        request = await asyncio.to_thread(questions.request, row.proto_id)
        if row.proto_id == _SUB:
            types = tuple(map(SubType, SUBSCRIBED))
            request = replace(request, c2s=replace(request.c2s, sub_type_list=types))
        return codec.encode(request), codec.encode(request.c2s)

    async def _three(
        self, proto_id: int, whole: bytes, bare: bytes | None, key: str, key_in_frames: str
    ) -> Three:
        before = await self._seen(proto_id)
        text = self._keys[key]
        return Three(
            await self._grpc.call(text, proto_id, whole),
            None if bare is None else await self._grpc.call(text, proto_id, bare),
            await self._frames.call(self._keys[key_in_frames], proto_id, whole),
            await self._seen(proto_id) - before,
        )

    async def _seen(self, proto_id: int) -> int:
        requests = (await self._opend.stats()).requests
        return int(requests.get(proto_id, 0))
