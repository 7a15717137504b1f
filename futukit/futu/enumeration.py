"""What the constant classes of the official API can do: words to numbers and back.

The classes themselves are generated into ``_enums`` and ``_screening``; their values are plain
texts and numbers, which programs compare, print and pass on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

__all__ = ["Described", "Flags", "FtEnum", "KlineFields", "PushIds"]

_UNKNOWN: Final = "N/A"
_ALL_FIELDS: Final = ""


class _Loaded:
    """The table of a class with a ``load_dic`` of its own, made by it whenever it is asked for.

    It cannot be made with the class: ``load_dic`` may name the class itself.
    """

    def __init__(self, table: str) -> None:
        self._table = table

    def __get__(self, instance: FtEnum | None, owner: type[FtEnum]) -> Any:
        return getattr(owner(), self._table)


class FtEnum:
    """An enum of words, each with its number in the protocol.

    The members are class attributes that hold the word. ``str_dic`` (word → number) and
    ``number_dic`` (number → word; of several words for one number the last) are an instance's own
    copies. A subclass states its numbers by ``load_dic``; the generated ones bring them along.
    """

    _numbers: ClassVar[dict[str, int]] = {}
    _words: ClassVar[dict[int, str]] = {}

    def __init__(self) -> None:
        self.str_dic = self.load_dic()
        self.number_dic = {number: word for word, number in self.str_dic.items()}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "load_dic" in cls.__dict__:
            for table, attribute in (("_numbers", "str_dic"), ("_words", "number_dic")):
                setattr(cls, table, _Loaded(attribute))

    def load_dic(self) -> dict[str, int]:
        """Word → number of every member that has one, as a new dictionary."""
        tables = (cls.__dict__.get("_numbers") for cls in type(self).__mro__)
        return dict(next(table for table in tables if isinstance(table, dict)))

    @classmethod
    def if_has_key(cls, str_value: object) -> bool:
        """Whether this is a word with a number; False for anything that is no text."""
        return isinstance(str_value, str) and str_value in cls._numbers

    @classmethod
    def get_all_keys(cls) -> str:
        """The words that have a number, in the official order, with commas between."""
        return ",".join(cls._numbers)

    @classmethod
    def get_all_key_list(cls) -> list[str]:
        """The words that have a number, in the official order."""
        return list(cls._numbers)

    @classmethod
    def to_number(cls, str_value: object) -> tuple[bool, int | str]:
        """``(True, number)`` of a word, or ``(False, message)``."""
        if not isinstance(str_value, str):
            return False, f"{cls.__name__}: {str_value!r} is not a text"
        number = cls._numbers.get(str_value)
        if number is None:
            return False, f"{cls.__name__}: {str_value!r} is none of {cls.get_all_keys()}"
        return True, number

    @classmethod
    def to_string(cls, number_value: object) -> tuple[bool, str]:
        """``(True, word)`` of a number, or ``(False, message)``."""
        if not isinstance(number_value, int):
            return False, f"{cls.__name__}: {number_value!r} is not an integer"
        word = cls._words.get(number_value)
        if word is None:
            return False, f"{cls.__name__}: {number_value} stands for nothing"
        return True, word

    @classmethod
    def to_string2(cls, number_value: object) -> str:
        """The word of a number; ``"N/A"`` for an unknown number and for what is none."""
        if not isinstance(number_value, int):
            return _UNKNOWN
        return cls._words.get(number_value, _UNKNOWN)


class Described(FtEnum):
    """An enum that says in a few words what each member means."""

    describe_dict: ClassVar[dict[str, str]] = {}

    @classmethod
    def get_describe(cls, t: str) -> str:
        """What the member with the word ``t`` means; KeyError for any other word."""
        return cls.describe_dict[t]


class PushIds:
    """Proto ids that know which of them are pushed."""

    All_PushId: ClassVar[list[int]] = []

    @classmethod
    def is_proto_id_push(cls, proto_id: object) -> bool:
        """Whether OpenD sends this id unasked."""
        return proto_id in cls.All_PushId


class Flags:
    """Flags that are added up to one number."""

    @classmethod
    def fields_to_flag_val(cls, fields: Iterable[int]) -> int:
        """The sum of the flags, each counted once."""
        return sum(set(fields))


class KlineFields:
    """Choices of K-line columns; ``ALL``, the empty text, stands for every one."""

    ALL_REAL: ClassVar[list[str]] = []
    FIELD_FLAG_VAL_MAP: ClassVar[dict[str, int]] = {}

    @classmethod
    def get_field_list(cls, str_filed: object) -> list[str]:
        """The columns in a text with commas, as often as they stand there; others are dropped."""
        names = str(str_filed).split(",")
        if _ALL_FIELDS in names:
            return list(cls.ALL_REAL)
        return [name for name in names if name in cls.ALL_REAL]

    @classmethod
    def normalize_field_list(cls, fields: str | Iterable[str]) -> list[str]:
        """The columns among ``fields``, each once; a text, which holds the empty one, means all."""
        if isinstance(fields, str) or _ALL_FIELDS in (names := list(fields)):
            return list(cls.ALL_REAL)
        return [name for name in dict.fromkeys(names) if name in cls.ALL_REAL]

    @classmethod
    def kl_fields_to_flag_val(cls, fields: str | Iterable[str]) -> int:
        """The number that asks OpenD for these columns."""
        return sum(cls.FIELD_FLAG_VAL_MAP[name] for name in cls.normalize_field_list(fields))
