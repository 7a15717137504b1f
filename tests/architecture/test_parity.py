"""The two faces offer the same, and say the same about it."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from futukit import aio, sync
from futukit.aio import _quote as aio_quote
from futukit.aio import _system as aio_system
from futukit.aio import _trade as aio_trade
from futukit.sync import _quote as sync_quote
from futukit.sync import _system as sync_system
from futukit.sync import _trade as sync_trade

PAIRS: list[tuple[type[Any], type[Any]]] = [
    (aio.Client, sync.Client),
    (aio.Quote, sync.Quote),
    (aio.Pushes, sync.Pushes),
    (aio_system.SystemMethods, sync_system.SystemMethods),
    (aio_quote.QuoteMethods, sync_quote.QuoteMethods),
    (aio_trade.TradeMethods, sync_trade.TradeMethods),
]


def public(cls: type[Any]) -> dict[str, Any]:
    return {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}


def signature(method: Any) -> list[tuple[str, str, Any, str]]:
    return [
        (parameter.name, parameter.kind.name, parameter.default, str(parameter.annotation))
        for parameter in inspect.signature(method).parameters.values()
    ]


def returns(method: Any) -> str:
    text = str(inspect.signature(method).return_annotation)
    return text.replace("AsyncIterator", "Iterator")


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].__name__)
def test_both_have_the_same_names(pair: tuple[type[Any], type[Any]]) -> None:
    assert set(public(pair[0])) == set(public(pair[1]))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].__name__)
def test_both_have_the_same_signatures(pair: tuple[type[Any], type[Any]]) -> None:
    theirs = public(pair[1])
    for name, ours in public(pair[0]).items():
        if inspect.isfunction(ours):
            assert signature(ours) == signature(theirs[name]), name
            assert returns(ours) == returns(theirs[name]), name
        else:
            assert type(ours) is type(theirs[name]), name


@pytest.mark.parametrize("pair", PAIRS[1:], ids=lambda pair: pair[0].__name__)
def test_both_say_the_same(pair: tuple[type[Any], type[Any]]) -> None:
    theirs = public(pair[1])
    for name, ours in public(pair[0]).items():
        assert plain(ours.__doc__) == plain(theirs[name].__doc__), name


def plain(doc: str) -> str:
    """A docstring without what must differ: how one collects an iterator."""
    return re.sub(r"``(list\(|\[bar async for bar in )client\.quote\.history\(…\)[\])]``", "", doc)


def test_both_packages_export_the_same() -> None:
    assert set(aio.__all__) - {"Connecting"} == set(sync.__all__)
    for name in sync.__all__:
        assert getattr(aio, name).__name__ == getattr(sync, name).__name__


def test_connect_has_the_same_signature() -> None:
    assert signature(aio.connect) == signature(sync.connect)
