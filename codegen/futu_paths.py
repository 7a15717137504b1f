"""Dotted paths of attributes through the schema's messages, and the Python that walks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from .errors import CodegenError
from .model import Project, class_name
from .schema import Field, Message

_ZEROS = {"string": '""', "bytes": 'b""', "bool": "False", "double": "0.0", "float": "0.0"}


@dataclass(frozen=True)
class Step:
    """One attribute on the way, and the field behind it."""

    attribute: str
    field: Field

    @property
    def optional(self) -> bool:
        """Whether it may be absent."""
        return self.field.label == "optional"

    @property
    def repeated(self) -> bool:
        """Whether it is a tuple."""
        return self.field.label == "repeated"


@dataclass
class Variables:
    """Fresh names for values that a generated expression must keep."""

    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def fresh(self) -> str:
        """A name that was not used yet."""
        return f"v{next(self.numbers)}"


def steps_of(project: Project, message: Message, path: str, where: str) -> tuple[Step, ...]:
    """The steps of a path that begins in ``message``; ``"."`` has none.

    Raises CodegenError where an attribute is none, or lies beyond a scalar or a list.
    """
    steps: list[Step] = []
    here: Message | None = message
    for attribute in path.split(".") if path != "." else ():
        if here is None:
            raise CodegenError(f"{where}: nothing lies below {steps[-1].attribute} in {path!r}")
        names = {project.naming.attribute(item.name): item for item in here.fields}
        if attribute not in names:
            raise CodegenError(f"{where}: {here.full_name} has no {attribute!r} (path {path!r})")
        step = Step(attribute, names[attribute])
        steps.append(step)
        here = None if step.repeated else message_of(project, step)
    return tuple(steps)


def message_of(project: Project, step: Step) -> Message | None:
    """The message that a step leads to, None for a scalar."""
    if step.field.kind != "message" or step.field.type_name is None:
        return None
    return project.schema.message(step.field.type_name)


def class_of(project: Project, message: Message) -> tuple[str, str]:
    """(module, class) of a message in ``futukit.messages``."""
    home = project.schema.home(message.full_name)
    return project.module(home), class_name(message, home)


def walk(
    base: str,
    steps: tuple[Step, ...],
    variables: Variables,
    found: Callable[[str], str],
    absent: Callable[[int], str],
) -> str:
    """The expression that follows ``steps`` from ``base``.

    ``found`` makes the value of the expression that was reached, ``absent`` the one for an
    optional step that is not there, by its position.
    """
    guards: list[tuple[str, str]] = []
    reached = base
    for position, step in enumerate(steps):
        reached = f"{reached}.{step.attribute}"
        if step.optional:
            name = variables.fresh()
            guards.append((absent(position), f"({name} := {reached}) is None"))
            reached = name
    expression = found(reached)
    for value, guard in reversed(guards):
        expression = f"{value} if {guard} else {expression}"
    return expression


def zero(project: Project, step: Step) -> str:
    """What protobuf gives for a scalar field that is absent, as a literal."""
    item = step.field
    if item.kind == "message":
        raise CodegenError(f"{item.name} is a message: it has no value of its own when absent")
    if item.kind == "enum" and item.type_name is not None:
        return str(project.schema.enum(item.type_name).values[0].number)
    return _ZEROS.get(item.kind, "0")
