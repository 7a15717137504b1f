"""Whether and where the fields of a Struct can be written in place. Header-only.

A Struct's fields are plain object slots, and the member descriptors say where. Filling them is
several times as fast as calling the class. It is done only where a probe, at import, shows that
it comes to the same.
"""

from cpython.object cimport PyObject, PyTypeObject

from capi cimport (
    FK_DATA_OFFSET,
    Py_DECREF,
    Py_INCREF,
    fk_alloc,
    fk_basic_size,
    fk_copy,
    fk_copyable,
    fk_slot_offset,
)

cdef inline bint slots_usable(cls, tuple names) except -1:
    """Whether every field has a slot of its own within the object, and nothing runs on init."""
    from types import MemberDescriptorType

    cdef Py_ssize_t size = fk_basic_size(<PyTypeObject*>cls)
    offsets = set()
    for name in names:
        descriptor = getattr(cls, name, None)
        if not isinstance(descriptor, MemberDescriptorType):
            return False
        offset = fk_slot_offset(descriptor)
        if not FK_DATA_OFFSET <= offset <= size - <Py_ssize_t>sizeof(PyObject*):
            return False
        offsets.add(offset)
    return len(offsets) == len(names) and not hasattr(cls, "__post_init__")


cdef inline bint slots_fillable() except -1:
    """Fill a Struct through its slots and look whether the class itself sees the same."""
    import msgspec

    cdef PyObject* row
    cdef Py_ssize_t offset
    # Not in alphabetical order: CPython sorts slots, and the offsets must follow.
    probe = msgspec.defstruct(
        "Probe", ["zeta", "alpha", "middle"], kw_only=True, frozen=True, gc=False
    )
    values = {"zeta": 2**40, "alpha": "probe", "middle": (1, 2)}
    if not slots_usable(probe, tuple(values)):
        return False
    blank = blank_row(<PyTypeObject*>probe)
    if fk_copyable(<PyTypeObject*>probe):
        row = fk_copy(<PyTypeObject*>probe, <PyObject*>blank)
    else:
        row = fk_alloc(<PyTypeObject*>probe)
    if row == NULL:
        raise MemoryError
    built = <object>row
    Py_DECREF(row)
    for name, value in values.items():
        offset = fk_slot_offset(getattr(probe, name))
        if (<PyObject**>(<char*>row + offset))[0] != NULL:
            return False
        Py_INCREF(<PyObject*>value)
        (<PyObject**>(<char*>row + offset))[0] = <PyObject*>value
    return built == probe(**values) and [getattr(built, name) for name in values] == [
        *values.values()
    ]


cdef inline object blank_row(PyTypeObject* cls):
    """An object with empty slots, and with a reference count of 1 as long as one holds it."""
    cdef PyObject* row = fk_alloc(cls)
    if row == NULL:
        raise MemoryError
    blank = <object>row
    Py_DECREF(row)
    return blank
