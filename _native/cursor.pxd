"""Bounds-checked reads of protobuf's wire format. Header-only, no Python objects.

Each read takes the position and the end, and returns the position after what it read, or NULL
when the bytes are not that. The limits are those of upb, the reference implementation.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    WIRE_VARINT = 0
    WIRE_FIXED64 = 1
    WIRE_LENGTH = 2
    WIRE_GROUP = 3
    WIRE_FIXED32 = 5

    MAX_DEPTH = 100
    MAX_SIZE = 0x7FFFFFFF


cdef inline const uint8_t* read_varint(
    const uint8_t* at, const uint8_t* end, uint64_t* value
) noexcept nogil:
    """A varint of at most ten bytes; what the tenth has beyond 64 bits is dropped."""
    if at < end and at[0] < 0x80:
        value[0] = at[0]
        return at + 1
    return read_long_varint(at, end, value)


cdef inline const uint8_t* read_long_varint(
    const uint8_t* at, const uint8_t* end, uint64_t* value
) noexcept nogil:
    cdef uint64_t result = 0
    cdef int shift = 0
    while at < end and shift < 70:
        result |= <uint64_t>(at[0] & 0x7F) << shift
        if at[0] < 0x80:
            value[0] = result
            return at + 1
        at += 1
        shift += 7
    return NULL


cdef inline const uint8_t* read_tag(
    const uint8_t* at, const uint8_t* end, uint32_t* tag
) noexcept nogil:
    """A tag: at most five bytes and 32 bits."""
    cdef uint64_t result = 0
    cdef int shift = 0
    while at < end and shift < 35:
        result |= <uint64_t>(at[0] & 0x7F) << shift
        if at[0] < 0x80:
            tag[0] = <uint32_t>result
            if result >> 32:
                return NULL
            return at + 1
        at += 1
        shift += 7
    return NULL


cdef inline const uint8_t* read_size(
    const uint8_t* at, const uint8_t* end, Py_ssize_t* size
) noexcept nogil:
    """The length of a length-delimited value, all of which lies before ``end``."""
    cdef uint64_t result
    cdef const uint8_t* start = at
    if at < end and at[0] < 0x80:
        size[0] = at[0]
        at += 1
    else:
        at = read_long_varint(at, end, &result)
        if at == NULL or at - start > 5 or result > MAX_SIZE:
            return NULL
        size[0] = <Py_ssize_t>result
    if size[0] > end - at:
        return NULL
    return at


cdef inline const uint8_t* after_fixed(
    const uint8_t* at, const uint8_t* end, Py_ssize_t size
) noexcept nogil:
    if end - at < size:
        return NULL
    return at + size


cdef inline const uint8_t* skip_value(
    const uint8_t* at, const uint8_t* end, uint32_t tag, int depth
) noexcept nogil:
    """The position after the value of an unknown field; ``depth`` more groups may open."""
    cdef uint64_t ignored
    cdef Py_ssize_t size
    cdef uint32_t wire = tag & 7
    if wire == WIRE_VARINT:
        return read_varint(at, end, &ignored)
    if wire == WIRE_FIXED64:
        return after_fixed(at, end, 8)
    if wire == WIRE_FIXED32:
        return after_fixed(at, end, 4)
    if wire == WIRE_LENGTH:
        at = read_size(at, end, &size)
        if at == NULL:
            return NULL
        return at + size
    if wire == WIRE_GROUP:
        return skip_group(at, end, tag, depth)
    return NULL


cdef inline const uint8_t* skip_group(
    const uint8_t* at, const uint8_t* end, uint32_t tag, int depth
) noexcept nogil:
    """The position after the end tag that matches the start tag ``tag``.

    Within, even field number 0 is skipped, as upb does.
    """
    cdef uint32_t inner
    if depth <= 0:
        return NULL
    while True:
        at = read_tag(at, end, &inner)
        if at == NULL or inner == tag + 1:
            return at
        at = skip_value(at, end, inner, depth - 1)
        if at == NULL:
            return NULL
