"""What goes wrong in the schema tools. Every error names the file and the place in it.

::

    CodegenError
    ├── SchemaError    a .proto does not compile, or says something that this project cannot carry
    ├── SourceError    an SDK archive, folder or package cannot be read as one
    └── TableError     a table of facts beside the protos (proto_ids.toml) is wrong
"""

from __future__ import annotations

__all__ = ["CodegenError", "SchemaError", "SourceError", "TableError"]


class CodegenError(Exception):
    """Base of the errors that the schema tools raise on purpose."""


class SchemaError(CodegenError):
    """A schema is wrong.

    ``file`` is the name of the .proto, ``line`` and ``column`` count from 1 (None where the
    compiler names no place), ``field`` is the full name of the field, message or enum at fault
    where it is known, and ``others`` are the further complaints of the same compiler run.
    """

    def __init__(
        self,
        reason: str,
        *,
        file: str,
        line: int | None = None,
        column: int | None = None,
        field: str | None = None,
        others: tuple[str, ...] = (),
    ) -> None:
        place = file if line is None else f"{file}:{line}:{column}"
        if field is not None:
            place = f"{place}: {field}"
        super().__init__("\n".join((f"{place}: {reason}", *others)))
        self.reason = reason
        self.file = file
        self.line = line
        self.column = column
        self.field = field
        self.others = others


class SourceError(CodegenError):
    """An SDK release cannot be read: ``source`` was asked for, ``member`` is the file in it."""

    def __init__(self, reason: str, *, source: str, member: str | None = None) -> None:
        place = source if member is None else f"{source}: {member}"
        super().__init__(f"{place}: {reason}")
        self.reason = reason
        self.source = source
        self.member = member


class TableError(CodegenError):
    """A table of facts is wrong. ``faults`` holds one line for every fault that was found."""

    def __init__(self, file: str, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(f"{file}: {fault}" for fault in faults))
        self.file = file
        self.faults = faults
