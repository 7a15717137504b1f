"""Every decision about a Python name is made here, from the rules below and ``naming.toml``."""

from __future__ import annotations

import keyword
import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from .errors import CodegenError

# A word is: an acronym before a word, digits with the unit that follows them, a word, an
# acronym at the end, or bare digits.
_WORD = re.compile(
    r"[A-Z]+s(?![a-z])"  # plural acronym: IDs, ETFs
    r"|[A-Z]+(?=[A-Z][a-z])"
    r"|\d+(?:[A-Z]?[a-z]+|[A-Z]+(?![a-z]))?"
    r"|[A-Z]?[a-z]+"
    r"|[A-Z]+"
)
_NAMING_FILE = Path(__file__).with_name("naming.toml")


class NameCollisionError(CodegenError):
    """Two schema names became one Python name; the message names both and the place."""


def snake_case(name: str) -> str:
    """Split at lower→upper, acronym→word and before digits; digits stay with their unit."""
    return "_".join(word.lower() for part in name.split("_") for word in _WORD.findall(part))


@dataclass(frozen=True)
class Naming:
    """The exceptions of ``naming.toml`` applied before the rules.

    ``words`` replaces parts of a camel-case name before it is split (``AESCBC`` → ``AesCbc``),
    ``fields`` maps a whole proto field name to its attribute, ``members`` a whole enum value
    name to its member, ``digit_prefix`` is put before a member that would start with a digit,
    by enum name.
    """

    words: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    digit_prefix: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path = _NAMING_FILE) -> Naming:
        """Read the table of exceptions."""
        table = tomllib.loads(path.read_text("utf-8"))
        return cls(**{key: dict(table.get(key, {})) for key in cls.__dataclass_fields__})

    @cached_property
    def _words(self) -> re.Pattern[str]:
        longest_first = sorted(self.words, key=len, reverse=True)
        return re.compile("|".join(longest_first) or r"(?!)")

    def attribute(self, proto_name: str) -> str:
        """Name of a field as a Python attribute: ``lastClosePrice`` → ``last_close_price``."""
        name = self.fields.get(proto_name)
        if name is None:
            name = snake_case(self._words.sub(lambda m: self.words[m[0]], proto_name))
        return f"{name}_" if keyword.iskeyword(name) else name

    def module(self, proto_name: str) -> str:
        """Name of the generated module: ``Qot_GetKL`` → ``qot_get_kl``."""
        return self.attribute(proto_name)

    def method(self, proto_name: str) -> str:
        """Name of a client method: the proto name without its group's prefix."""
        return self.attribute(re.sub(r"^(Qot|Trd|SkillWrap)_", "", proto_name))

    def member(self, enum_name: str, value_name: str) -> str:
        """Name of an enum member: prefix stripped, UPPER_SNAKE, upstream's misspellings kept."""
        if value_name in self.members:
            return self.members[value_name]
        stem = value_name.removeprefix(f"{enum_name}_")
        name = self.attribute(stem).upper()
        if name[0].isdigit():
            name = f"{self.digit_prefix.get(enum_name, self.digit_prefix['*'])}{name}"
        return name


def require_distinct(place: str, names: dict[str, str]) -> None:
    """Raise NameCollisionError when two of ``names`` (schema name → Python name) are the same."""
    seen: dict[str, str] = {}
    for schema_name, python_name in names.items():
        if python_name in seen:
            raise NameCollisionError(
                f"{place}: {seen[python_name]!r} and {schema_name!r} both become {python_name!r}"
            )
        seen[python_name] = schema_name
