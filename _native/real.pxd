"""Floats: most of what decoding market data costs is making and releasing them. Header-only.

Three ways, the cheapest that applies:

- The first of a message are kept by the decoder beside: one that nobody else refers to any
  more serves again. A message that is looked at and let go costs no making and releasing.
- Later ones are made anew.
- In a long table of rows an equal float of the same message is shared: prices move on a grid,
  and one bar's close is the next one's open. Columns that never repeat (turnover, ratios) are
  not looked up: each field keeps a score, and after a series of misses it rests for a while.

Sharing stays within one message. A cache by value that outlives it was tried and lost: its
floats lie scattered between the next messages' values and cost more cache misses than they
save calls.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from capi cimport Py_DECREF, Py_INCREF, Py_XDECREF, fk_float, fk_kept_float
from layout cimport Field

cdef enum:
    REAL_BITS = 9
    MISSES_BORNE = 64      # net misses until a field rests; a hit makes up for two
    RESTED_VALUES = 1024
    TABLE_ROWS = 32        # a table this long is worth preparing the entries for


cdef extern from *:
    """
    #define FK_KEPT_REALS 64  /* more than a row has */
    static PyObject *fk_kept_reals[FK_KEPT_REALS];
    static int fk_first_kept = FK_KEPT_REALS;  /* none, until the probe has been */
    """
    enum:
        KEPT_REALS "FK_KEPT_REALS"
    PyObject** kept_reals "fk_kept_reals"
    int first_kept "fk_first_kept"


cdef struct RealEntry:
    uint64_t bits
    PyObject* object       # borrowed from a cell of the message; NULL for none


cdef struct Reals:
    int made               # floats of this message that are kept; not beyond KEPT_REALS
    bint sharing
    RealEntry entries[512]


cdef inline bint trust_kept_reals(bint trusted) except -1:
    """Keep floats, if a probe shows that one in use is left alone and a free one serves again.

    Returns whether they are kept.
    """
    global first_kept
    cdef PyObject* place = NULL
    cdef PyObject* used = fk_kept_float(&place, 0.5)
    cdef PyObject* free = fk_kept_float(&place, -0.25)
    cdef PyObject* again
    if used == NULL or free == NULL:
        raise MemoryError
    values = [<object>used, <object>free]
    Py_DECREF(free)
    values.pop()
    again = fk_kept_float(&place, 2.0**60)
    if again == NULL:
        raise MemoryError
    values.append(<object>again)
    Py_DECREF(used)
    Py_DECREF(again)
    Py_XDECREF(place)
    trusted = trusted and values == [0.5, 2.0**60] and again == free
    first_kept = 0 if trusted else KEPT_REALS
    return trusted


cdef inline void start_reals(Reals* reals) noexcept:
    reals.made = first_kept
    reals.sharing = False


cdef inline void share_reals(Reals* reals) noexcept:
    """A long table begins: share its floats from here on."""
    if not reals.sharing:
        memset(reals.entries, 0, sizeof(reals.entries))
        reals.sharing = True


cdef inline PyObject* make_real(Reals* reals, Field* field, double real) noexcept:
    """A new reference to a float, or NULL with a Python error set."""
    if not reals.sharing:
        if reals.made < KEPT_REALS:
            reals.made += 1
            return fk_kept_float(&kept_reals[reals.made - 1], real)
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
