"""Strings from UTF-8, with a bounded cache of short ones. Header-only.

Codes, names, times and currencies come again and again. A cached string saves the check, the
allocation and the copy. The cache is a direct-mapped table: it can never grow, and a string
that does not come again costs one replaced entry. In a long table of rows the longer strings
are times, another one in each row: there, finding one costs more cache misses than making it.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from capi cimport (
    FK_ASCII_DATA,
    Py_INCREF,
    Py_XDECREF,
    PyUnicode_DecodeUTF8,
    PyUnicode_New,
)

cdef extern from *:
    """
    /* The bytes, padded with zeros, and their number in the last byte: never two strings alike. */
    typedef struct {
        uint64_t first, middle, last;
        PyObject *text;
    } fk_text_entry;

    #define FK_TEXT_BITS 12
    #define FK_HIGH_BITS 0x8080808080808080ULL
    static fk_text_entry fk_texts[1 << FK_TEXT_BITS];

    static CYTHON_INLINE uint64_t fk_load64(const uint8_t *at) {
        uint64_t word;
        memcpy(&word, at, 8);
        return word;
    }

    static CYTHON_INLINE uint32_t fk_load32(const uint8_t *at) {
        uint32_t word;
        memcpy(&word, at, 4);
        return word;
    }

    static CYTHON_INLINE fk_text_entry *fk_text_at(uint64_t first, uint64_t middle, uint64_t last) {
        uint64_t mix = first * 0x9E3779B97F4A7C15ULL + middle * 0xBF58476D1CE4E5B9ULL
                     + last * 0x94D049BB133111EBULL;
        return &fk_texts[mix >> (64 - FK_TEXT_BITS)];
    }
    """
    ctypedef struct TextEntry "fk_text_entry":
        uint64_t first, middle, last
        PyObject* text
    const uint64_t FK_HIGH_BITS
    uint64_t fk_load64(const uint8_t* at) noexcept nogil
    uint32_t fk_load32(const uint8_t* at) noexcept nogil
    TextEntry* fk_text_at(uint64_t first, uint64_t middle, uint64_t last) noexcept

cdef enum:
    CACHED_LENGTH = 23        # three words, less the byte for the length
    CACHED_TABLE_LENGTH = 15  # the same in a long table


cdef inline PyObject* make_text(const uint8_t* at, Py_ssize_t size, bint table) noexcept:
    """A new reference to the string, or NULL with a Python error set (UnicodeDecodeError)."""
    cdef uint64_t first = 0
    cdef uint64_t middle = 0
    cdef uint64_t last = <uint64_t>size << 56
    cdef TextEntry* entry
    if size > CACHED_TABLE_LENGTH and (table or size > CACHED_LENGTH):
        return make_long_text(at, size)
    # Words that overlap and are shifted into place need no loop and read nothing past the end.
    if size > 16:
        first = fk_load64(at)
        middle = fk_load64(at + 8)
        last |= fk_load64(at + size - 8) >> 8 * (24 - size)
    elif size > 8:
        first = fk_load64(at)
        middle = fk_load64(at + size - 8) >> 8 * (16 - size)
    elif size >= 4:
        first = fk_load32(at) | <uint64_t>fk_load32(at + size - 4) << 8 * (size - 4)
    elif size > 0:
        first = at[0] | <uint64_t>at[size >> 1] << 8 * (size >> 1)
        first |= <uint64_t>at[size - 1] << 8 * (size - 1)
    else:
        return PyUnicode_New(0, 0)
    entry = fk_text_at(first, middle, last)
    if entry.first == first and entry.middle == middle and entry.last == last:
        Py_INCREF(entry.text)
        return entry.text
    return fill_entry(entry, first, middle, last, at, size)


cdef inline PyObject* fill_entry(
    TextEntry* entry,
    uint64_t first,
    uint64_t middle,
    uint64_t last,
    const uint8_t* at,
    Py_ssize_t size,
) noexcept:
    """Make the string and put it in the entry's place."""
    cdef PyObject* text = make_plain(at, size, (first | middle | last) & FK_HIGH_BITS == 0)
    cdef PyObject* old = entry.text
    if text == NULL:
        return NULL
    entry.first = first
    entry.middle = middle
    entry.last = last
    entry.text = text
    Py_INCREF(text)
    Py_XDECREF(old)
    return text


cdef inline PyObject* make_long_text(const uint8_t* at, Py_ssize_t size) noexcept:
    cdef Py_ssize_t done = 0
    cdef uint64_t seen = fk_load64(at + size - 8)
    while size - done >= 8:
        seen |= fk_load64(at + done)
        done += 8
    return make_plain(at, size, seen & FK_HIGH_BITS == 0)


cdef inline PyObject* make_plain(const uint8_t* at, Py_ssize_t size, bint ascii) noexcept:
    cdef PyObject* text
    if not ascii:
        return PyUnicode_DecodeUTF8(<const char*>at, size, NULL)
    text = PyUnicode_New(size, 127)
    if text != NULL:
        memcpy(FK_ASCII_DATA(text), at, size)
    return text
