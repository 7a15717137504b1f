"""The book: what is asked again is what was asked, in few requests."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from futukit.core.securities import to_securities
from futukit.core.subscriptions import SubscriptionBook
from futukit.messages import qot_reg_qot_push, qot_sub, qot_sub_event_contract, trd_sub_acc_push
from futukit.messages.common import Session
from futukit.messages.qot_common import EC_KlineSource, QotHeader, RehabType, SubType

ACCOUNTS, QUOTES, REGISTER, EVENT_CONTRACTS = 2008, 3001, 3002, 3455

TICKER, BOOK, DAY = SubType.TICKER, SubType.ORDER_BOOK, SubType.KL_DAY


def sub(codes: list[str], types: list[SubType], **flags: Any) -> qot_sub.C2S:
    flags.setdefault("is_sub_or_un_sub", True)
    return qot_sub.C2S(security_list=to_securities(codes), sub_type_list=tuple(types), **flags)


def reg(codes: list[str], types: list[SubType], **flags: Any) -> qot_reg_qot_push.C2S:
    flags.setdefault("is_reg_or_un_reg", True)
    return qot_reg_qot_push.C2S(
        security_list=to_securities(codes), sub_type_list=tuple(types), **flags
    )


def book(*requests: Any) -> SubscriptionBook:
    made = SubscriptionBook()
    ids: dict[Any, int] = {
        qot_sub.C2S: QUOTES,
        qot_reg_qot_push.C2S: REGISTER,
        qot_sub_event_contract.C2S: EVENT_CONTRACTS,
        trd_sub_acc_push.C2S: ACCOUNTS,
    }
    for request in requests:
        made.confirm(ids[type(request)], request)
    return made


def test_an_empty_book_asks_for_nothing() -> None:
    assert book().requests() == []
    assert len(book()) == 0


def test_pushes_without_a_variant_come_back_beside_those_with_one() -> None:
    kept = book(
        sub(["HK.00700"], [DAY], is_reg_or_un_reg_push=True),
        sub(
            ["HK.00700"],
            [DAY],
            is_reg_or_un_reg_push=True,
            reg_push_rehab_type_list=(RehabType.NONE, RehabType.BACKWARD),
        ),
    )
    lists = [c2s.reg_push_rehab_type_list for _, c2s in kept.requests()]
    assert sorted(lists) == [(), (RehabType.NONE, RehabType.BACKWARD)]


def test_every_flag_comes_back_as_it_was_sent() -> None:
    requests = [
        sub(["HK.00700"], [TICKER]),
        sub(["HK.00701"], [TICKER], is_reg_or_un_reg_push=False),
        sub(["HK.00702"], [TICKER], is_reg_or_un_reg_push=True),
        sub(["HK.00703"], [TICKER], is_reg_or_un_reg_push=True, is_first_push=False),
        sub(["HK.00704"], [TICKER], is_reg_or_un_reg_push=True, is_first_push=True),
        sub(["HK.00705"], [BOOK], is_sub_order_book_detail=True),
        sub(["US.AAPL"], [DAY], extended_time=True, session=Session.ALL),
        sub(["US.AAPL"], [TICKER], header=QotHeader()),
        sub(
            ["US.TSLA"],
            [DAY],
            is_reg_or_un_reg_push=True,
            reg_push_rehab_type_list=(RehabType.NONE, RehabType.BACKWARD),
        ),
    ]
    assert book(*requests).requests() == [(QUOTES, request) for request in requests]


def test_equal_flags_go_into_one_request() -> None:
    push = {"is_reg_or_un_reg_push": True, "is_first_push": True}
    requests = book(
        sub(["HK.1", "HK.2"], [TICKER], **push),
        sub(["HK.3"], [TICKER], **push),
        sub(["HK.4"], [TICKER, BOOK], **push),
        sub(["HK.1"], [BOOK], **push),
    ).requests()
    assert requests == [
        (QUOTES, sub(["HK.1", "HK.4"], [TICKER, BOOK], **push)),
        (QUOTES, sub(["HK.2", "HK.3"], [TICKER], **push)),
    ]


def test_a_long_list_is_cut() -> None:
    codes = [f"HK.{number}" for number in range(1000)]
    sizes = [len(c2s.security_list) for _, c2s in book(sub(codes, [TICKER])).requests()]
    assert sizes == [400, 400, 200]


def test_the_last_flags_count() -> None:
    requests = book(
        sub(["HK.1"], [BOOK], is_sub_order_book_detail=True),
        sub(["HK.1"], [BOOK], is_sub_order_book_detail=False),
    ).requests()
    assert requests == [(QUOTES, sub(["HK.1"], [BOOK], is_sub_order_book_detail=False))]


def test_unsubscribing_takes_out_what_it_names() -> None:
    requests = book(
        sub(["HK.1", "HK.2"], [TICKER, BOOK], is_reg_or_un_reg_push=True),
        sub(["HK.1"], [TICKER], is_sub_or_un_sub=False),
        sub(["HK.9"], [TICKER], is_sub_or_un_sub=False),
    ).requests()
    assert requests == [
        (QUOTES, sub(["HK.1"], [BOOK], is_reg_or_un_reg_push=True)),
        (QUOTES, sub(["HK.2"], [TICKER, BOOK], is_reg_or_un_reg_push=True)),
    ]


def test_unsubscribing_all_takes_out_quotes_only() -> None:
    accounts = trd_sub_acc_push.C2S(acc_id_list=(1,))
    contract = qot_sub_event_contract.C2S(
        security_list=to_securities(["EC.X"]), sub_type_list=(BOOK,), is_sub_or_un_sub=True
    )
    everything = qot_sub.C2S(is_sub_or_un_sub=False, is_unsub_all=True)
    made = book(sub(["HK.1"], [TICKER]), accounts, contract, everything)
    assert made.requests() == [(ACCOUNTS, accounts), (EVENT_CONTRACTS, contract)]
    made.confirm(
        EVENT_CONTRACTS, qot_sub_event_contract.C2S(is_sub_or_un_sub=False, is_unsub_all=True)
    )
    assert made.requests() == [(ACCOUNTS, accounts)]


def test_accounts_are_replaced_as_a_whole() -> None:
    first, second = (trd_sub_acc_push.C2S(acc_id_list=ids) for ids in ((1, 2), (3,)))
    assert book(first, second).requests() == [(ACCOUNTS, second)]
    assert book(first, trd_sub_acc_push.C2S()).requests() == []


def test_pushes_registered_apart_come_back_apart() -> None:
    plain = sub(["HK.1", "HK.2"], [TICKER])
    apart = reg(["HK.1"], [TICKER], is_first_push=False)
    assert book(plain, apart).requests() == [(QUOTES, plain), (REGISTER, apart)]


def test_pushes_of_what_is_not_subscribed_are_not_noted() -> None:
    assert book(reg(["HK.1"], [TICKER])).requests() == []


def test_pushes_taken_back_do_not_come_back() -> None:
    pushed = sub(["HK.1"], [TICKER], is_reg_or_un_reg_push=True)
    assert book(pushed, reg(["HK.1"], [TICKER], is_reg_or_un_reg=False)).requests() == [
        (QUOTES, sub(["HK.1"], [TICKER]))
    ]
    silent = sub(["HK.1"], [TICKER], is_reg_or_un_reg_push=False)
    assert book(pushed, silent).requests() == [(QUOTES, silent)]


def test_rehab_types_are_registered_and_taken_back_one_by_one() -> None:
    pushed = sub(
        ["HK.1"],
        [DAY],
        is_reg_or_un_reg_push=True,
        reg_push_rehab_type_list=(RehabType.NONE, RehabType.FORWARD),
    )
    added = reg(["HK.1"], [DAY], rehab_type_list=(RehabType.BACKWARD,))
    removed = reg(["HK.1"], [DAY], rehab_type_list=(RehabType.NONE,), is_reg_or_un_reg=False)
    assert book(pushed, added, removed).requests() == [
        (
            QUOTES,
            sub(
                ["HK.1"],
                [DAY],
                is_reg_or_un_reg_push=True,
                reg_push_rehab_type_list=(RehabType.FORWARD,),
            ),
        ),
        (REGISTER, added),
    ]


def test_subscribing_again_without_a_word_on_pushes_leaves_them() -> None:
    pushed = sub(["HK.1"], [TICKER], is_reg_or_un_reg_push=True, is_first_push=False)
    [(_, c2s)] = book(pushed, sub(["HK.1"], [TICKER])).requests()
    assert (c2s.is_reg_or_un_reg_push, c2s.is_first_push) == (True, False)


def test_event_contracts_come_back_with_their_sources() -> None:
    def contract(*sources: EC_KlineSource) -> qot_sub_event_contract.C2S:
        return qot_sub_event_contract.C2S(
            security_list=to_securities(["EC.X"]),
            sub_type_list=(DAY,),
            is_sub_or_un_sub=True,
            is_reg_or_un_reg_push=True,
            is_first_push=not sources,
            kline_source=sources,
        )

    plain, sourced = contract(), contract(EC_KlineSource(1))
    assert book(plain, sourced).requests() == [
        (EVENT_CONTRACTS, plain),
        (EVENT_CONTRACTS, sourced),
    ]


flags = st.fixed_dictionaries(
    {
        "is_reg_or_un_reg_push": st.sampled_from([None, True, False]),
        "is_first_push": st.sampled_from([None, True, False]),
        "is_sub_order_book_detail": st.sampled_from([None, True]),
        "is_sub_or_un_sub": st.booleans(),
    }
)
codes = st.lists(st.sampled_from(["HK.1", "HK.2", "US.A"]), min_size=1, unique=True)
types = st.lists(st.sampled_from([TICKER, BOOK, DAY]), min_size=1, unique=True)
subs = st.builds(lambda c, t, f: sub(c, t, **f), codes, types, flags)
regs = st.builds(
    lambda c, t, on, first: reg(c, t, is_reg_or_un_reg=on, is_first_push=first),
    codes,
    types,
    st.booleans(),
    st.sampled_from([None, True, False]),
)


def facts(made: SubscriptionBook) -> Any:
    """What is subscribed, and with which flags where they mean something.

    Whether there is a first push is decided with the registration; a later request that does
    not register says nothing about it.
    """
    found = {}
    for topic, entry in made._entries.items():
        own = dict(entry.flags)
        if any(push.by == QUOTES for push in entry.pushes.values()):
            own["is_first_push"] = own["is_reg_or_un_reg_push"] = None
        found[topic] = (own, set(entry.pushes.items()))
    return found


@given(st.lists(st.one_of(subs, regs), max_size=8))
def test_a_book_made_from_a_books_requests_is_the_same(requests: list[Any]) -> None:
    made = book(*requests)
    again = book(*[c2s for _, c2s in made.requests()])
    assert facts(again) == facts(made)
