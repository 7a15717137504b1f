from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias, TypeVar, final

from msgspec import Struct
from typing_extensions import Buffer

from futukit._native.cipher import Cipher
from futukit._native.frame import _Seals

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_CELLS",
    "Plan",
    "PushSink",
    "decode",
    "decode_as",
    "decode_strict",
    "decode_table",
    "define",
    "encode",
    "encode_frame",
    "encode_message",
    "encode_message_frame",
    "plan_of",
    "real_columns",
]

_StructT = TypeVar("_StructT", bound=Struct)
_FieldRow: TypeAlias = tuple[int, str, str, str, str, str, type[Any] | None, int | None]

MAX_BODY_BYTES: Final[int]
MAX_CELLS: Final[int]

@final
class Plan:
    def __init__(self, cls: type[Struct], full_name: str, fields: Iterable[_FieldRow]) -> None: ...
    @property
    def cls(self) -> type[Struct]: ...
    @property
    def full_name(self) -> str: ...
    @property
    def fields(self) -> tuple[_FieldRow, ...]: ...
    @property
    def direct(self) -> bool: ...

@final
class PushSink:
    def __init__(
        self,
        plan: Plan,
        consumer: Callable[[Any], object],
        unusable: Callable[[Any], object],
        failed: Callable[[Exception], object],
    ) -> None: ...
    def __call__(self, body: Buffer) -> None: ...
    def give(self, response: Any) -> None: ...

def define(cls: type[Struct], full_name: str, fields: Iterable[_FieldRow]) -> Plan: ...
def plan_of(cls: type[Struct]) -> Plan: ...
def decode(plan: Plan, data: Buffer) -> Any: ...
def decode_as(cls: type[_StructT], data: Buffer) -> _StructT: ...
def decode_strict(cls: type[_StructT], data: Buffer) -> _StructT: ...
def decode_table(
    plan: Plan, data: bytes, path: tuple[str, ...], attributes: tuple[str, ...]
) -> tuple[Any, list[Any], bytearray] | None: ...
def real_columns(
    plan: Plan, rows: Sequence[Any], attributes: tuple[str, ...]
) -> list[bytearray | None]: ...
def encode(plan: Plan, message: Struct) -> bytes: ...
def encode_message(message: Struct) -> bytes: ...
def encode_frame(
    plan: Plan,
    message: Struct,
    proto_id: int,
    serial: int,
    cipher: Cipher | _Seals | None = None,
) -> bytes: ...
def encode_message_frame(
    message: Struct, proto_id: int, serial: int, cipher: Cipher | _Seals | None = None
) -> bytes: ...
def _trust_slots(trusted: bool) -> bool: ...
def _keep_reals(kept: bool) -> bool: ...
def _limit_cells(cells: int) -> int: ...
def _use_native_sha1(native: bool) -> bool: ...
