"""Floats: most of what decoding market data costs is making and releasing them. Header-only.

Three ways, the cheapest that applies:

- The first hundred of a message come from the interpreter's list of free floats, which takes
  a hundred back when the message dies.
- Later ones are made directly; the list would be empty.
- In a long table of rows an equal float of the same message is shared: prices move on a grid,
  and one bar's close is the next one's open. Columns that never repeat (turnover, ratios) are
  not looked up: each field keeps a score, and after a series of misses it rests for a while.

Sharing stays within one message. A cache that outlives it was tried and lost: its floats lie
scattered between the next messages' values and cost more cache misses than they save calls.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from capi cimport Py_INCREF, PyFloat_FromDouble, fk_float
from layout cimport Field

cdef enum:
    FREE_FLOATS = 100      # what CPython's list of free floats holds
    REAL_BITS = 9
    MISSES_BORNE = 64      # net misses until a field rests; a hit makes up for two
    RESTED_VALUES = 1024
    TABLE_ROWS = 32        # a table this long is worth preparing the entries for


cdef struct RealEntry:
    uint64_t bits
    PyObject* object       # borrowed from a cell of the message; NULL for none


cdef struct Reals:
    int recycled           # how many more come from the interpreter's list
    bint sharing
    RealEntry entries[512]


cdef inline void start_reals(Reals* reals) noexcept:
    reals.recycled = FREE_FLOATS
    reals.sharing = False


cdef inline void share_reals(Reals* reals) noexcept:
    """A long table begins: share its floats from here on."""
    if not reals.sharing:
        memset(reals.entries, 0, sizeof(reals.entries))
        reals.sharing = True


cdef inline PyObject* make_real(Reals* reals, Field* field, double real) noexcept:
    """A new reference to a float, or NULL with a Python error set."""
    if not reals.sharing:
        if reals.recycled > 0:
            reals.recycled -= 1
            return PyFloat_FromDouble(real)
        return fk_float(real)
    if field.rest > 0:
        field.rest -= 1
        return fk_float(real)
    return shared_real(reals, field, real)


cdef inline PyObject* shared_real(Reals* reals, Field* field, double real) noexcept:
    cdef uint64_t bits
    cdef RealEntry* entry
    memcpy(&bits, &real, 8)
    entry = &reals.entries[
        (bits ^ bits >> 32) * <uint64_t>0x9E3779B97F4A7C15ULL >> (64 - REAL_BITS)
    ]
    if entry.bits == bits and entry.object != NULL:
        field.misses -= 2 * (field.misses > 1)
        Py_INCREF(entry.object)
        return entry.object
    field.misses += 1
    if field.misses >= MISSES_BORNE:
        field.misses = 0
        field.rest = RESTED_VALUES
    entry.object = fk_float(real)
    entry.bits = bits
    return entry.object
