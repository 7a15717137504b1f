"""``protos/futu/enums.toml`` and ``names.toml``: the constants and names of the drop-in face.

A class of ``enums.toml`` is one of three kinds: an enum of words (``members``, ``numbers``), a
numeric enum (``integers``) or plain constants (``values``). :func:`load` checks the table,
:func:`names` the list of names that ``from futu import *`` gives, :func:`outputs` renders.
"""

from __future__ import annotations

import keyword
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from .errors import TableError

__all__ = ["BASES", "Constants", "Names", "load", "names", "outputs"]

#: Classes of ``futukit.futu.enumeration`` that a class may build on → whether it is of words.
BASES: Final = {"Described": True, "Flags": False, "KlineFields": False, "PushIds": False}

_ENUMS: Final = "enums.toml"
_NAMES: Final = "names.toml"
_KINDS: Final = ("members", "integers", "values")
_KEYS: Final = frozenset((*_KINDS, "doc", "base", "numbers", "data"))
#: What an attribute must not hide.
_METHODS: Final = frozenset(
    (
        "get_all_key_list",
        "get_all_keys",
        "get_describe",
        "if_has_key",
        "is_proto_id_push",
        "load_dic",
        "mro",
        "name",
        "number_dic",
        "str_dic",
        "to_number",
        "to_string",
        "to_string2",
        "value",
    )
)
_INT32: Final = range(-(2**31), 2**31)

Literal = str | int


class Render(Protocol):
    """Renders one template with what it is given."""

    def __call__(self, template: str, **context: object) -> str:
        """The text of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """One class of constants.

    ``kind`` is ``members``, ``integers`` or ``values``, as in the table, and ``attributes`` are
    its attributes in order. ``numbers`` (word → number) and ``words`` (number → word) are what an
    enum of words converts by; ``data`` are further attributes, each with its type.
    """

    name: str
    doc: str
    kind: str
    base: str | None
    attributes: Mapping[str, Literal]
    numbers: Mapping[str, int]
    words: Mapping[int, str]
    data: tuple[tuple[str, str, object], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What becomes of the names that the official package exports.

    ``public`` are offered: group → names, the classes of ``enums.toml`` among them under
    ``"constants"``. ``left_out`` are not: reason → names.
    """

    public: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, tuple[str, ...]]

    @property
    def exported(self) -> tuple[str, ...]:
        """Every public name, sorted: what ``__all__`` of the face holds."""
        return tuple(sorted(name for group in self.public.values() for name in group))


def load(path: Path | str) -> tuple[Constants, ...]:
    """Read and check the table of classes, in its order.

    Raises :class:`TableError` with every fault: not TOML, a class that stands twice, an unknown
    key, no doc, not exactly one kind, an attribute twice or with a name that cannot be one, two
    attributes with one word, a number for an unknown attribute, a number that is no int32.
    """
    path = Path(path)
    tables = _read(path)
    faults = [f"{name}: {fault}" for name, table in tables.items() for fault in _faults(table)]
    faults += [f"{name}: is no name of a class" for name in tables if not _is_name(name)]
    if faults:
        raise TableError(path.name, tuple(faults))
    return tuple(_constants(name, table) for name, table in tables.items())


def names(path: Path | str, classes: tuple[Constants, ...]) -> Names:
    """Read and check the list of names; ``classes`` are public by being in their table.

    Raises :class:`TableError`: not TOML, other tables than [public] and [left_out], a group that
    is no list of names, a name that stands twice.
    """
    path = Path(path)
    tables = _read(path)
    faults = [f"[{key}]: is missing" for key in ("public", "left_out") if key not in tables]
    faults += [f"[{key}]: unknown" for key in tables if key not in ("public", "left_out")]
    for key, table in tables.items():
        faults += [
            f"[{key}] {group}: is no list of names"
            for group, listed in table.items()
            if not (isinstance(listed, list) and all(map(_is_name, listed)))
        ]
    if faults:
        raise TableError(path.name, tuple(faults))
    public = {group: tuple(listed) for group, listed in tables["public"].items()}
    public["constants"] = (
        *(constants.name for constants in classes),
        *public.get("constants", ()),
    )
    left_out = {reason: tuple(listed) for reason, listed in tables["left_out"].items()}
    all_names = [name for table in (public, left_out) for group in table.values() for name in group]
    if twice := _twice(all_names):
        raise TableError(path.name, tuple(f"{name}: stands twice" for name in twice))
    return Names(public=public, left_out=left_out)


def outputs(protos: Path, render: Render) -> dict[str, str]:
    """The generated modules of constants: path relative to the output root → text.

    The numeric enums are a module of their own: Python takes longer to make them than all the
    others, and few programs screen stocks.
    """
    classes = load(protos / "futu" / _ENUMS)
    numeric = [constants for constants in classes if constants.kind == "integers"]
    others = [constants for constants in classes if constants.kind != "integers"]
    bases = sorted({"FtEnum", *(constants.base for constants in others if constants.base)})
    return {
        "futukit/futu/_enums.py": render("futu_enums.py.j2", classes=others, bases=bases),
        "futukit/futu/_screening.py": render("futu_enums.py.j2", classes=numeric, bases=()),
    }


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        # TOML itself refuses a table or key that stands twice, and names its line.
        tables = tomllib.loads(path.read_bytes().decode())
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as exc:
        raise TableError(path.name, (str(exc),)) from exc
    if bare := [key for key, table in tables.items() if not isinstance(table, dict)]:
        raise TableError(path.name, tuple(f"{key}: stands outside of every table" for key in bare))
    return tables


def _faults(table: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one class; the attributes are looked at when its shape is right."""
    yield from (f"unknown key {key!r}" for key in table if key not in _KEYS)
    doc = table.get("doc")
    if not isinstance(doc, str) or not doc.endswith(".") or "\n" in doc:
        yield "doc must be one line that ends with a full stop"
    kinds = [kind for kind in _KINDS if kind in table]
    if len(kinds) != 1:
        yield f"needs one of {', '.join(_KINDS)}"
        return
    kind = kinds[0]
    if ("numbers" in table) is not (kind == "members"):
        yield "numbers and members belong together"
        return
    if "base" in table and BASES.get(table["base"]) is not (kind == "members"):
        yield f"{table['base']!r} is no base for a class with {kind}"
    yield from _data_faults(table.get("data", {}), table[kind])
    value = {"members": str, "integers": int}.get(kind, Literal)
    if not (_are_pairs(table[kind], value) and _are_pairs(table.get("numbers", []), int)):
        yield f"{kind} and numbers must be lists of [attribute, value]"
        return
    yield from _attribute_faults(kind, table[kind])
    yield from _number_faults(dict(table[kind]), table.get("numbers", []))


def _attribute_faults(kind: str, pairs: list[tuple[str, Literal]]) -> Iterator[str]:
    attributes = [name for name, _ in pairs]
    yield from (f"{name}: stands twice" for name in _twice(attributes))
    yield from (
        f"{name}: cannot be an attribute"
        for name in attributes
        if not _is_name(name) or name in _METHODS
    )
    if kind == "members":
        yield from (
            f"{word!r}: is the word of two attributes" for word in _twice([w for _, w in pairs])
        )


def _number_faults(known: dict[str, Literal], numbers: list[tuple[str, int]]) -> Iterator[str]:
    for name, number in numbers:
        if name not in known:
            yield f"{name}: has a number but is no member"
        if number not in _INT32:
            yield f"{name}: {number} is no int32"
    yield from (f"{name}: has two numbers" for name in _twice([name for name, _ in numbers]))


def _data_faults(data: object, attributes: object) -> Iterator[str]:
    if not isinstance(data, dict):
        yield "data must be a table"
        return
    taken = {pair[0] for pair in attributes if pair} if isinstance(attributes, list) else set()
    for name, value in data.items():
        if not _is_name(name) or name in _METHODS or name in taken:
            yield f"data.{name}: cannot be an attribute"
        if _type_of(value) is None:
            yield f"data.{name}: must be a number, or a list or table of texts or of numbers"


def _constants(name: str, table: dict[str, Any]) -> Constants:
    kind = next(kind for kind in _KINDS if kind in table)
    attributes = dict(table[kind])
    numbers = {attributes[member]: number for member, number in table.get("numbers", [])}
    data = table.get("data", {})
    return Constants(
        name=name,
        doc=table["doc"],
        kind=kind,
        base=table.get("base", "FtEnum" if kind == "members" else None),
        attributes=attributes,
        numbers=numbers,
        words={number: word for word, number in numbers.items()},
        data=tuple((key, _type_of(value) or "", value) for key, value in data.items()),
    )


def _type_of(value: object) -> str | None:
    """The Python type of a data attribute as it is written; None if it cannot be one."""
    if isinstance(value, int):
        return "int"
    if isinstance(value, list):
        item = _item_type(value)
        return item and f"list[{item}]"
    if isinstance(value, dict):
        item = _item_type(list(value.values()))
        return item and f"dict[str, {item}]"
    return None


def _item_type(items: list[object]) -> str | None:
    found = {type(item) for item in items}
    return {str: "str", int: "int"}.get(found.pop()) if len(found) == 1 else None


def _are_pairs(items: object, value: Any) -> bool:
    return isinstance(items, list) and all(
        isinstance(item, list)
        and len(item) == 2
        and isinstance(item[0], str)
        and isinstance(item[1], value)
        for item in items
    )


def _is_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("_")
    )


def _twice(items: list[Any]) -> list[Any]:
    return [item for item in dict.fromkeys(items) if items.count(item) > 1]
