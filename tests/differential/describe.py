"""Any value that a face returns, as plain JSON that tells it apart from every other value.

A scalar is ``[type name, repr]``; what holds others is an object with its ``kind``. Floats are
written as ``repr`` gives them, so two that look alike are alike to the last bit; every NaN is
``nan``. Tables give names, types, index and cells, column by column.

Runs in both environments: imports nothing but the standard library and what the faces bring.
"""

from __future__ import annotations

from typing import Any, Final

_PLAIN: Final = (str, bytes, int, float)
_DEEPEST: Final = 12


def describe(value: Any, depth: int = 0) -> Any:
    """The description of a value."""
    if depth > _DEEPEST:
        raise ValueError("the value is nested too deep to be described: does it hold itself?")
    deeper = depth + 1
    if value is None or isinstance(value, bool):
        return [type(value).__name__, repr(value)]
    for base in _PLAIN:
        if isinstance(value, base):
            return _scalar(value, base)
    if isinstance(value, dict):
        return {
            "kind": "dict",
            "keys": [describe(key, deeper) for key in value],
            "values": [describe(item, deeper) for item in value.values()],
        }
    if isinstance(value, list | tuple):
        return {"kind": type(value).__name__, "items": [describe(item, deeper) for item in value]}
    if isinstance(value, set | frozenset):
        return {"kind": "set", "items": sorted(describe(item, deeper) for item in value)}
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        return _frame(value, deeper)
    if hasattr(value, "dtype"):
        return [type(value).__name__, repr(value.item())]
    if type(value).__module__.startswith("pandas."):
        return [type(value).__name__, repr(value)]
    return _object(value, deeper)


def raised(error: BaseException) -> Any:
    """The description of an exception, with all classes that an ``except`` may name."""
    classes = [base.__name__ for base in type(error).__mro__[:-2]]
    return {"kind": "raised", "classes": classes, "text": str(error)}


def _scalar(value: Any, base: type) -> list[str]:
    found = [base.__name__, repr(base(value))]
    return found if type(value) is base else [*found, type(value).__name__]


def _frame(frame: Any, depth: int) -> Any:
    columns = range(len(frame.columns))
    return {
        "kind": "frame",
        "shape": list(frame.shape),
        "columns": [describe(name, depth) for name in frame.columns],
        "dtypes": [str(dtype) for dtype in frame.dtypes],
        "index": [type(frame.index).__name__, str(frame.index.dtype), list(map(str, frame.index))],
        "attrs": describe(dict(frame.attrs), depth),
        "cells": [[describe(cell, depth) for cell in frame.iloc[:, at]] for at in columns],
    }


def _object(value: Any, depth: int) -> Any:
    """Attributes; the official SDK keeps some under keys that are no names."""
    found = {name: item for name, item in vars(type(value)).items() if isinstance(name, str)}
    found |= getattr(value, "__dict__", {})
    for name in getattr(value, "__slots__", ()):
        found[name] = getattr(value, name)
    named = [(str(name), item) for name, item in found.items() if _tells(name, item)]
    named.sort(key=lambda pair: pair[0])
    return {
        "kind": "object",
        "class": type(value).__name__,
        "names": [name for name, _ in named],
        "values": [describe(item, depth) for _, item in named],
    }


def _tells(name: object, item: object) -> bool:
    """Whether an attribute belongs to what an object says, and not to how it is made."""
    made = callable(item) or hasattr(item, "__get__")
    return not made and not (isinstance(name, str) and name.startswith("_"))
