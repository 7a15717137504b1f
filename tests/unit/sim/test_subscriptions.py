"""Quota, the one-minute rule and who gets pushed what."""

from __future__ import annotations

import pytest

from futukit.sim.refusal import NO_QUOTA, NOT_SUBSCRIBED, TOO_EARLY, RefusalError
from futukit.sim.subscriptions import Route, SubscriptionBook, Topic

A, B = Topic("HK.00700", 1), Topic("HK.00700", 4)
C = Topic("US.AAPL", 1)
OPTION_1, OPTION_2 = Topic("US.C1", 1), Topic("US.C2", 1)


def chain_of(key: str) -> str | None:
    return "US.AAPL" if key.startswith("US.C") else None


@pytest.fixture
def book() -> SubscriptionBook:
    book = SubscriptionBook(quota=2, option_quota=1, chain_of=chain_of)
    book.open(1)
    book.open(2)
    return book


def test_a_topic_of_two_connections_counts_once(book: SubscriptionBook) -> None:
    book.subscribe(1, [A, B], 0, 1)
    book.subscribe(2, [A, B], 0, 1)
    assert book.used() == (2, 0)
    book.unsubscribe(1, [A], 60)
    assert book.used() == (2, 0)
    book.unsubscribe(2, [A], 60)
    assert book.used() == (1, 0)


def test_quota_refuses_all_or_nothing(book: SubscriptionBook) -> None:
    with pytest.raises(RefusalError, match="3 needed, 2 of 2 left") as caught:
        book.subscribe(1, [A, B, C], 0, 1)
    assert caught.value.err_code == NO_QUOTA
    assert not book.held_by(1)
    assert book.used() == (0, 0)


def test_options_count_by_chain_and_have_their_own_quota(book: SubscriptionBook) -> None:
    book.subscribe(1, [A, B, OPTION_1, OPTION_2], 0, 1)
    assert book.used() == (2, 1)
    with pytest.raises(RefusalError, match="option subscription quota"):
        book.subscribe(1, [Topic("US.C1", 2)], 0, 1)
    book.unsubscribe(1, [OPTION_1], 60)
    assert book.used() == (2, 1)
    book.unsubscribe(1, [OPTION_2], 60)
    assert book.used() == (2, 0)


def test_nobody_lets_go_within_a_minute(book: SubscriptionBook) -> None:
    book.subscribe(1, [A], 0, 1)
    book.subscribe(1, [B], 30, 1)
    with pytest.raises(RefusalError, match=r"in 0\.5 seconds") as caught:
        book.unsubscribe(1, [A, B], 89.5)
    assert caught.value.err_code == TOO_EARLY
    assert set(book.held_by(1)) == {A, B}
    book.unsubscribe_all(1, 90)
    assert not book.held_by(1)


def test_subscribing_again_keeps_the_age(book: SubscriptionBook) -> None:
    book.subscribe(1, [A], 0, 1)
    book.subscribe(1, [A], 59, 3)
    assert book.held_by(1)[A].session == 3
    book.unsubscribe(1, [A], 60)


def test_what_is_not_held_is_passed_over(book: SubscriptionBook) -> None:
    book.unsubscribe(1, [A, C], 0)
    book.unregister(1, [A, C])


def test_a_closed_connection_leaves_young_subscriptions_until_their_minute(
    book: SubscriptionBook,
) -> None:
    book.subscribe(1, [A], 0, 1)
    book.subscribe(1, [B], 40, 1)
    book.close(1, 60)
    assert (book.used(), book.orphans) == ((1, 0), 1)
    book.expire(99.9)
    assert book.used() == (1, 0)
    book.expire(100)
    assert (book.used(), book.orphans) == ((0, 0), 0)


def test_two_orphans_of_one_topic_end_with_the_younger(book: SubscriptionBook) -> None:
    book.subscribe(1, [A], 0, 1)
    book.subscribe(2, [A], 30, 1)
    book.close(2, 31)
    book.close(1, 32)
    book.expire(60)
    assert book.used() == (1, 0)
    book.expire(90)
    assert book.used() == (0, 0)


def test_an_orphan_and_a_new_subscription_share_a_unit(book: SubscriptionBook) -> None:
    book.subscribe(1, [A, B], 0, 1)
    book.close(1, 1)
    book.subscribe(2, [A, B], 2, 1)
    book.expire(60)
    assert book.used() == (2, 0)
    book.unsubscribe(2, [A, B], 62)
    assert book.used() == (0, 0)


def test_pushes_need_a_subscription_and_register_none_without(book: SubscriptionBook) -> None:
    book.subscribe(1, [A], 0, 1)
    with pytest.raises(RefusalError, match=r"US\.AAPL type 1 is not subscribed") as caught:
        book.register(1, [Route(A, 0), Route(C, 0)])
    assert caught.value.err_code == NOT_SUBSCRIBED
    assert book.types_pushed("HK.00700") == ()


def test_receivers_come_in_the_order_they_registered(book: SubscriptionBook) -> None:
    for connection in (2, 1):
        book.subscribe(connection, [A], 0, connection)
        book.register(connection, [Route(A, 2), Route(A, 0)])
    found = [(connection, rehab, held.session) for connection, rehab, held in book.receivers(A)]
    assert found == [(2, 2, 2), (2, 0, 2), (1, 2, 1), (1, 0, 1)]
    book.close(2, 100)
    assert [connection for connection, _, _ in book.receivers(A)] == [1, 1]
    book.unsubscribe(1, [A], 100)
    assert book.pushed_securities() == ()


def test_unregistering_keeps_the_subscription(book: SubscriptionBook) -> None:
    book.subscribe(1, [A], 0, 1)
    book.register(1, [Route(A, 0)])
    book.unregister(1, [A])
    assert list(book.receivers(A)) == []
    assert set(book.held_by(1)) == {A}
