"""Whole bodies under AES-128, given one keyed block cipher. Header-only, no Python objects.

The block cipher is that of pycryptodome's compiled modules, called by pointer: it takes any
number of blocks at a time, keeps several of them in flight, works in place, and only reads its
key schedule, so that several threads may use one.

The three formats; ``n`` is the length of the plain body::

    FTAES_ECB   zeros up to a multiple of 16, ECB; then a block in clear: 15 zeros, n mod 16
    AES_ECB     PKCS#7 padding, ECB
    AES_CBC     PKCS#7 padding, CBC from the same IV for every body
"""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    /* The head of pycryptodome's state of a block cipher; what follows is its own. */
    typedef struct FkBlock FkBlock;
    typedef int (*FkCrypt)(const FkBlock *block, const uint8_t *in, uint8_t *out, size_t size);
    typedef int (*FkStop)(FkBlock *block);
    struct FkBlock {
        FkCrypt encrypt;
        FkCrypt decrypt;
        FkStop stop;
        size_t block_size;
    };
    typedef int (*FkStart)(const uint8_t *key, size_t size, FkBlock **block);

    static CYTHON_INLINE int fk_start(FkStart start, const uint8_t *key, FkBlock **block) {
        return start(key, 16, block);
    }

    static CYTHON_INLINE int fk_encrypt(const FkBlock *block, const uint8_t *in, uint8_t *out,
                                        size_t size) {
        return block->encrypt(block, in, out, size);
    }

    static CYTHON_INLINE int fk_decrypt(const FkBlock *block, const uint8_t *in, uint8_t *out,
                                        size_t size) {
        return block->decrypt(block, in, out, size);
    }

    static CYTHON_INLINE void fk_stop(FkBlock *block) { block->stop(block); }

    /* Whether the state looks as drawn above: its third word is a function that is known. */
    static CYTHON_INLINE int fk_is_block(const FkBlock *block, FkStop stop) {
        return block != NULL && block->stop == stop && block->block_size == 16
            && block->encrypt != NULL && block->decrypt != NULL;
    }

    static CYTHON_INLINE void fk_xor(uint8_t *into, const uint8_t *with, size_t size) {
        for (; size >= 16; size -= 16, into += 16, with += 16) {
            uint64_t a[2], b[2];
            memcpy(a, into, 16);
            memcpy(b, with, 16);
            a[0] ^= b[0];
            a[1] ^= b[1];
            memcpy(into, a, 16);
        }
    }

    /* memset that a compiler may not leave out because nobody reads the memory any more. */
    static CYTHON_INLINE void fk_wipe(void *memory, size_t size) {
        volatile uint8_t *at = (volatile uint8_t *)memory;
        while (size--) *at++ = 0;
    }
    """
    ctypedef struct FkBlock:
        pass
    ctypedef int (*FkStart)(const uint8_t* key, size_t size, FkBlock** block) noexcept nogil
    ctypedef int (*FkStop)(FkBlock* block) noexcept nogil
    int fk_start(FkStart start, const uint8_t* key, FkBlock** block) noexcept nogil
    int fk_encrypt(const FkBlock* block, const uint8_t* at, uint8_t* to, size_t size) noexcept nogil
    int fk_decrypt(const FkBlock* block, const uint8_t* at, uint8_t* to, size_t size) noexcept nogil
    void fk_stop(FkBlock* block) noexcept nogil
    bint fk_is_block(const FkBlock* block, FkStop stop) noexcept nogil
    void fk_xor(uint8_t* into, const uint8_t* with_, size_t size) noexcept nogil
    void fk_wipe(void* memory, size_t size) noexcept nogil

cdef enum:
    AES_BLOCK = 16
    AES_KEY = 16
    # CBC is opened in pieces that stay in the processor's nearest cache.
    CBC_PIECE = 8 * 1024

    FTAES_ECB = 0   # the numbers of InitConnect.packetEncAlgo
    AES_ECB = 1
    AES_CBC = 2

    NOT_OPENED = -1


cdef inline Py_ssize_t enciphered_size(int algorithm, Py_ssize_t size) noexcept nogil:
    """How many of the wire's bytes are encrypted, for a plain body of ``size`` bytes."""
    if algorithm == FTAES_ECB:
        return (size + AES_BLOCK - 1) & ~(AES_BLOCK - 1)
    return (size & ~(AES_BLOCK - 1)) + AES_BLOCK


cdef inline Py_ssize_t wire_size(int algorithm, Py_ssize_t size) noexcept nogil:
    """The length on the wire of a plain body of ``size`` bytes."""
    cdef Py_ssize_t enciphered = enciphered_size(algorithm, size)
    return enciphered + AES_BLOCK if algorithm == FTAES_ECB else enciphered


cdef inline void lay_out(
    int algorithm, const uint8_t* plain, Py_ssize_t size, uint8_t* wire
) noexcept nogil:
    """Write the padded body to ``wire``, ready to be encrypted in place."""
    cdef Py_ssize_t padding = enciphered_size(algorithm, size) - size
    memcpy(wire, plain, size)
    if algorithm != FTAES_ECB:
        memset(wire + size, <int>padding, padding)
        return
    memset(wire + size, 0, padding + AES_BLOCK)
    wire[size + padding + AES_BLOCK - 1] = <uint8_t>(size % AES_BLOCK)


cdef inline int cbc_encrypt(
    const FkBlock* block, const uint8_t* iv, uint8_t* body, Py_ssize_t size
) noexcept nogil:
    """Encrypt in place. Every block needs the one before: there is no shorter way."""
    cdef int failed = 0
    cdef uint8_t* end = body + size
    while body < end:
        fk_xor(body, iv, AES_BLOCK)
        failed |= fk_encrypt(block, body, body, AES_BLOCK)
        iv = body
        body += AES_BLOCK
    return failed


cdef inline int cbc_decrypt(
    const FkBlock* block, const uint8_t* iv, const uint8_t* wire, uint8_t* plain, Py_ssize_t size
) noexcept nogil:
    """Many blocks at a time by ECB, then XOR with the wire one block back. Not in place."""
    cdef int failed = 0
    cdef Py_ssize_t piece
    while size > 0:
        piece = min(size, <Py_ssize_t>CBC_PIECE)
        failed |= fk_decrypt(block, wire, plain, piece)
        fk_xor(plain, iv, AES_BLOCK)
        fk_xor(plain + AES_BLOCK, wire, piece - AES_BLOCK)
        iv = wire + piece - AES_BLOCK
        wire += piece
        plain += piece
        size -= piece
    return failed


cdef inline Py_ssize_t enciphered_part(int algorithm, Py_ssize_t size) noexcept nogil:
    """How many bytes of a wire body are encrypted; NOT_OPENED for a length that none has."""
    if size < AES_BLOCK or size % AES_BLOCK:
        return NOT_OPENED
    return size - AES_BLOCK if algorithm == FTAES_ECB else size


cdef inline Py_ssize_t plain_size(
    int algorithm, const uint8_t* wire, Py_ssize_t size, const uint8_t* plain
) noexcept nogil:
    """The length of the body at ``plain``, decrypted but padded; NOT_OPENED if that is wrong.

    All of a padding is looked at, whatever is found on the way: how long it takes says nothing
    about where it is wrong.
    """
    if algorithm == FTAES_ECB:
        return _ftaes_size(wire + size - AES_BLOCK, plain, size - AES_BLOCK)
    return _pkcs7_size(plain, size)


cdef inline unsigned int all_ones(bint chosen) noexcept nogil:
    """A mask instead of a branch: all ones, or zero."""
    return 0 - <unsigned int>chosen


cdef inline Py_ssize_t _pkcs7_size(const uint8_t* plain, Py_ssize_t size) noexcept nogil:
    cdef const uint8_t* last = plain + size - AES_BLOCK
    cdef unsigned int padding = last[AES_BLOCK - 1]
    # From 1 to 16: in unsigned numbers 0 - 1 is far beyond 15.
    cdef unsigned int wrong = padding - 1 > AES_BLOCK - 1
    cdef int place
    for place in range(AES_BLOCK):
        wrong |= (last[place] ^ padding) & all_ones(<unsigned int>place + padding >= AES_BLOCK)
    return NOT_OPENED if wrong else size - <Py_ssize_t>padding


cdef inline Py_ssize_t _ftaes_size(
    const uint8_t* tail, const uint8_t* plain, Py_ssize_t size
) noexcept nogil:
    cdef unsigned int rest = tail[AES_BLOCK - 1]
    cdef unsigned int wrong = 0
    cdef int place
    for place in range(AES_BLOCK - 1):
        wrong |= tail[place]
    if wrong or rest >= AES_BLOCK or (rest and not size):
        return NOT_OPENED
    if not rest:
        return size
    plain += size - AES_BLOCK
    for place in range(AES_BLOCK):
        wrong |= plain[place] & all_ones(<unsigned int>place >= rest)
    return NOT_OPENED if wrong else size - AES_BLOCK + <Py_ssize_t>rest
