"""Messages that hold a secret: what shows them to people does not show it.

The generated classes of such messages derive from :class:`Masked` and name the fields.

>>> from futukit.messages import trd_unlock_trade
>>> trd_unlock_trade.C2S(unlock=True, pwd_md5="0cc175b9c0f1b6a831c399e269772661")
C2S(unlock=True, pwd_md5='…', security_firm=None)
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from msgspec import Struct

__all__ = ["MASK", "Masked", "secrets_of"]

MASK: Final = "…"
"""What stands in place of a secret."""


class Masked(Struct, kw_only=True, frozen=True, gc=False):
    """Base of the messages that hold a secret. A secret that is absent shows as such.

    ``__secrets__`` are the attributes. Only showing is masked: the values themselves, copies,
    comparison and ``msgspec.structs.asdict`` are those of any message.
    """

    __secrets__: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        shown = ", ".join([f"{name}={value!r}" for name, value in self.__rich_repr__()])
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        given = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [
            (name, MASK if name in self.__secrets__ and value is not None else value)
            for name, value in given
        ]


def secrets_of(cls: type[Struct]) -> tuple[str, ...]:
    """The attributes of a message class that are secrets; those of its parts are their own."""
    return cls.__secrets__ if issubclass(cls, Masked) else ()
