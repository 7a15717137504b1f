"""Where an error happened: the fields on the way, noted while the calls unwind. Header-only.

Costs nothing as long as nothing fails.
"""

from layout cimport Field, Layout

cdef enum:
    TRAIL_STEPS = 128


cdef struct Trail:
    Field* fields[128]        # innermost first
    Py_ssize_t indexes[128]   # position in a repeated field, -1 for none
    int count


cdef inline int note(Trail* trail, Field* field, Py_ssize_t index) noexcept:
    """Add a step; always returns -1, for ``return note(...)``."""
    if trail.count < TRAIL_STEPS:
        trail.fields[trail.count] = field
        trail.indexes[trail.count] = index
        trail.count += 1
    return -1


cdef inline str path_of(Layout* root, Trail* trail):
    """The path in proto names, such as ``Qot_GetKL.Response.s2c.klList[3].time``."""
    parts = [<str><object>root.full_name]
    cdef int step = trail.count
    while step > 0:
        step -= 1
        name = <str><object>trail.fields[step].name
        index = trail.indexes[step]
        parts.append(f"{name}[{index}]" if index >= 0 else name)
    return ".".join(parts)
