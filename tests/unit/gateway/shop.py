"""Subscriptions by themselves, with an OpenD that does as a test tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from futukit import codec
from futukit.core.push import Push
from futukit.enums import KLType, RehabType, SubType
from futukit.errors import RequestTimeout
from futukit.gateway.access import Access
from futukit.gateway.members import Member
from futukit.gateway.subscribing import Subscribing
from futukit.gateway.topics import topics_of_push
from futukit.messages import (
    qot_common,
    qot_get_sub_info,
    qot_reg_qot_push,
    qot_sub,
    qot_update_kl,
    qot_update_ticker,
    trd_sub_acc_push,
)
from futukit.messages.common import RetType

MINUTE = 61.0
CODES = ("00700", "00005")
SECURITY = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="00700")


class Sink:
    """Keeps the pushes of a member."""

    def __init__(self) -> None:
        self.got: list[Push] = []

    def send_push(self, push: Push, /) -> None:
        self.got.append(push)

    def catch_up(self, push: Push, /) -> None:
        self.got.append(push)

    def end_pushes(self, reason: str) -> None:
        raise AssertionError("nobody loses its pushes here")

    def end(self, status: str = "", reason: str = "") -> None:
        raise AssertionError("nobody is sent away here")

    @property
    def told(self) -> str:
        """The texts of the notices."""
        return " ".join(repr(push.message) for push in self.got if push.proto_id == 1003)


class Shop:
    """Subscribing with an OpenD that says ``answer``; ``meanwhile`` happens before it does."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Any]] = []
        self.answer: RetType | None = RetType.SUCCEED
        self.meanwhile: Callable[[], object] = lambda: None
        self.now = 1000.0
        self.members: list[Member] = []
        self.subscribing = Subscribing(self.ask, lambda: self.now, lambda: self.members)

    async def ask(self, proto_id: int, c2s: Any) -> bytes:
        self.asked.append((proto_id, c2s))
        self.meanwhile()
        if self.answer is None:
            raise RequestTimeout("no answer")
        return codec.encode(qot_sub.Response(ret_type=self.answer, s2c=qot_sub.S2C()))

    def upstream(self) -> list[tuple[int, bool, tuple[str, ...]]]:
        """What OpenD was asked since the last look: the id, whether to take, and the codes."""
        seen = [
            (number, c2s.is_sub_or_un_sub, tuple(one.code for one in c2s.security_list))
            for number, c2s in self.asked
            if number == 3001
        ]
        self.asked.clear()
        return seen

    def member(self) -> tuple[Member, Sink]:
        """Somebody new."""
        sink, number = Sink(), len(self.members) + 1
        grant = Access(None).authenticate(None, 0.0)
        made = Member(number, grant, f"peer {number}", sink, notify=True)
        self.members.append(made)
        return made, sink

    async def call(self, proto_id: int, member: Member, c2s: Any) -> Any:
        """A request of a member; gives the Response."""
        return await self.subscribing.handlers[proto_id](member, c2s)

    async def leave(self, member: Member) -> None:
        """A member goes."""
        member.gone = True
        self.members.remove(member)
        await self.subscribing.leave(member)

    async def pass_time(self, seconds: float = MINUTE) -> None:
        """Time passes, and what is due is done."""
        self.now += seconds
        if self.subscribing.is_untidy():
            await self.subscribing.tidy()

    def push(self, code: str = "00700") -> Push:
        """A ticker on its way to all holders."""
        security = qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code=code)
        s2c = qot_update_ticker.S2C(security=security, ticker_list=())
        message = qot_update_ticker.Response(ret_type=RetType.SUCCEED, s2c=s2c)
        return self._spread(Push(3011, message))

    def push_kline(self, rehab_type: RehabType) -> Push:
        """A K-line of a minute."""
        s2c = qot_update_kl.S2C(
            rehab_type=rehab_type, kl_type=KLType.K_1MIN, security=SECURITY, kl_list=()
        )
        return self._spread(Push(3007, qot_update_kl.Response(ret_type=RetType.SUCCEED, s2c=s2c)))

    def _spread(self, push: Push) -> Push:
        for topic, variant in topics_of_push(push):
            for member in self.subscribing.book.take(topic, variant, push):
                member.sink.send_push(push)
        return push

    def is_empty(self) -> bool:
        """Whether nothing is held or taken."""
        book = self.subscribing.book
        return not (len(book) or book.holders or book._free or book._held)


def sub(*codes: str, types: tuple[SubType, ...] = (SubType.TICKER,), **fields: Any) -> qot_sub.C2S:
    """Subscribe codes of Hong Kong, with pushes unless the fields say otherwise."""
    rules = {"is_sub_or_un_sub": True, "is_reg_or_un_reg_push": True, **fields}
    return qot_sub.C2S(
        security_list=tuple(
            qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code=code)
            for code in codes or ("00700",)
        ),
        sub_type_list=types,
        **rules,
    )


def unsub(*codes: str) -> qot_sub.C2S:
    """Unsubscribe tickers."""
    return sub(*codes, is_sub_or_un_sub=False, is_reg_or_un_reg_push=None)


def register(*codes: str, types: tuple[SubType, ...]) -> qot_reg_qot_push.C2S:
    """Have what is subscribed pushed."""
    like = sub(*codes, types=types)
    return qot_reg_qot_push.C2S(
        security_list=like.security_list, sub_type_list=types, is_reg_or_un_reg=True
    )


def follow(*accounts: int) -> trd_sub_acc_push.C2S:
    """Have orders of accounts pushed."""
    return trd_sub_acc_push.C2S(acc_id_list=accounts)


SUB_INFO = qot_get_sub_info.C2S()
