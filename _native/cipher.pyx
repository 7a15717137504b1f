"""Bodies under AES-128: FTAES_ECB, AES_ECB and AES_CBC, whole bodies at a time.

The formats are drawn in ``aes.pxd``. The block cipher is pycryptodome's: of its compiled modules
the one that this processor is best at, called by pointer. Those are looked up when the first
``Cipher`` is made and believed only after a self-test; where they are not to be had, or fail it,
every body goes through pycryptodome's Python API: slower, the same bytes.
"""

cimport cython
from cpython.buffer cimport PyBuffer_Release, PyObject_GetBuffer, PyBUF_SIMPLE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy, memset

from aes cimport (
    AES_BLOCK,
    AES_CBC,
    AES_ECB,
    AES_KEY,
    FTAES_ECB,
    FkBlock,
    FkStart,
    FkStop,
    cbc_decrypt,
    cbc_encrypt,
    enciphered_part,
    enciphered_size,
    fk_decrypt,
    fk_encrypt,
    fk_is_block,
    fk_start,
    fk_stop,
    fk_wipe,
    lay_out,
    plain_size,
    wire_size,
)
from sealing cimport Sealing, sealing_name, unsealed

from futukit.errors import DecryptError, UsageError

__all__ = ["Cipher"]

cdef enum:
    # Below this, giving the GIL away and taking it back costs more than the others gain.
    NOGIL_BYTES = 65536
    TEST_BLOCKS = 21  # two rounds of the eight at a time that an implementation may take, and 5

cdef dict _CODES = {"ftaes_ecb": FTAES_ECB, "aes_ecb": AES_ECB, "aes_cbc": AES_CBC}
cdef tuple _NAMES = ("ftaes_ecb", "aes_ecb", "aes_cbc")

# pycryptodome's modules, best first: name, prefix of the functions, what the processor must have.
cdef tuple _MODULES = (
    ("_raw_aesni", "AESNI", "have_aes_ni"),
    ("_raw_aes_armv8", "AES_ARMV8", "have_aes_armv8"),
    ("_raw_aes", "AES", None),
)

cdef bint _looked = False
cdef FkStart _start = NULL
cdef object _aes = None  # pycryptodome's module AES


@cython.final
cdef class Cipher:
    """A key and a way to encrypt with it, for any number of bodies in both directions.

    ``algorithm`` is ``"ftaes_ecb"``, ``"aes_ecb"`` or ``"aes_cbc"``; ``key`` has 16 bytes,
    ``iv`` 16 for AES_CBC and none for the others. Every body starts from the same IV. Raises
    ``UsageError`` for anything else, and where pycryptodome is not installed.

    May be used from several threads at once. Never shows its key, and is neither copied nor
    pickled.
    """

    cdef FkBlock* block      # NULL: through pycryptodome's Python API, with the key below
    cdef int code
    cdef uint8_t[AES_KEY] key
    cdef uint8_t[AES_BLOCK] iv

    def __cinit__(self, algorithm, key, iv=b""):
        # No message may show an argument: they are easily taken for one another.
        code = _CODES.get(algorithm) if isinstance(algorithm, str) else None
        if code is None:
            raise UsageError(f"algorithm must be one of {', '.join(_NAMES)}")
        self.code = code
        if type(key) is not bytes or PyBytes_GET_SIZE(key) != AES_KEY:
            raise UsageError(f"key must be {AES_KEY} bytes")
        if type(iv) is not bytes or PyBytes_GET_SIZE(iv) != (AES_BLOCK if code == AES_CBC else 0):
            raise UsageError(f"iv must be {AES_BLOCK} bytes for aes_cbc, empty for the others")
        if not _looked:
            look_up(True)
        memcpy(self.iv, PyBytes_AS_STRING(iv), PyBytes_GET_SIZE(iv))
        if _start == NULL:
            memcpy(self.key, PyBytes_AS_STRING(key), AES_KEY)
        elif fk_start(_start, <const uint8_t*>PyBytes_AS_STRING(key), &self.block):
            self.block = NULL
            raise MemoryError

    def __dealloc__(self):
        if self.block != NULL:
            fk_stop(self.block)
        fk_wipe(self.key, AES_KEY)
        fk_wipe(self.iv, AES_BLOCK)

    @property
    def algorithm(self):
        """``"ftaes_ecb"``, ``"aes_ecb"`` or ``"aes_cbc"``."""
        return _NAMES[self.code]

    def encrypt(self, plain):
        """Return what goes over the wire for a plain body (any bytes-like object).

        An empty body becomes 16 bytes.
        """
        cdef Py_buffer view
        cdef bytes wire
        PyObject_GetBuffer(plain, &view, PyBUF_SIMPLE)
        try:
            wire = PyBytes_FromStringAndSize(NULL, wire_size(self.code, view.len))
            seal(self, <const uint8_t*>view.buf, view.len, <uint8_t*>PyBytes_AS_STRING(wire))
            return wire
        finally:
            PyBuffer_Release(&view)

    def decrypt(self, wire):
        """Return the plain body of what came over the wire (any bytes-like object).

        No bytes at all are an empty body. Raises ``DecryptError``, with one reason for every
        wrong length, padding or tail.
        """
        cdef Py_buffer view
        PyObject_GetBuffer(wire, &view, PyBUF_SIMPLE)
        try:
            plain = unsealed(&_sealing, self, <const uint8_t*>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)
        if plain is None:
            raise DecryptError("the body does not decrypt")
        return plain

    def __repr__(self):
        return f"Cipher({_NAMES[self.code]!r})"

    def __reduce__(self):
        raise TypeError("a Cipher holds a key: it is not copied or pickled")

    cdef bytes through_python(self, bint encrypting, const uint8_t* body, Py_ssize_t size):
        key = PyBytes_FromStringAndSize(<const char*>self.key, AES_KEY)
        if self.code == AES_CBC:
            iv = PyBytes_FromStringAndSize(<const char*>self.iv, AES_BLOCK)
            crypt = _aes.new(key, _aes.MODE_CBC, iv)
        else:
            crypt = _aes.new(key, _aes.MODE_ECB)
        given = PyBytes_FromStringAndSize(<const char*>body, size)
        return crypt.encrypt(given) if encrypting else crypt.decrypt(given)

    cdef int encrypt_here(self, uint8_t* body, Py_ssize_t size) noexcept nogil:
        if self.code == AES_CBC:
            return cbc_encrypt(self.block, self.iv, body, size)
        return fk_encrypt(self.block, body, body, size)

    cdef int decrypt_to(self, const uint8_t* wire, Py_ssize_t size, uint8_t* plain) noexcept nogil:
        if self.code == AES_CBC:
            return cbc_decrypt(self.block, self.iv, wire, plain, size)
        return fk_decrypt(self.block, wire, plain, size)


cdef Py_ssize_t sealed_size(object cipher, Py_ssize_t size) noexcept:
    return wire_size((<Cipher>cipher).code, size)


cdef int seal(object cipher, const uint8_t* plain, Py_ssize_t size, uint8_t* wire) except -1:
    cdef Cipher self = <Cipher>cipher
    cdef Py_ssize_t enciphered = enciphered_size(self.code, size)
    cdef int failed = 0
    lay_out(self.code, plain, size, wire)
    if enciphered == 0:
        return 0
    if self.block == NULL:
        memcpy(wire, PyBytes_AS_STRING(self.through_python(True, wire, enciphered)), enciphered)
    elif size < NOGIL_BYTES:
        failed = self.encrypt_here(wire, enciphered)
    else:
        with nogil:
            failed = self.encrypt_here(wire, enciphered)
    if failed:
        raise RuntimeError("AES failed")
    return 0


cdef Py_ssize_t unseal(
    object cipher, const uint8_t* wire, Py_ssize_t size, uint8_t* plain
) except -2:
    cdef Cipher self = <Cipher>cipher
    cdef Py_ssize_t enciphered = enciphered_part(self.code, size)
    cdef int failed = 0
    if size == 0 or enciphered < 0:
        return 0 if size == 0 else -1
    if enciphered == 0:
        pass
    elif self.block == NULL:
        memcpy(plain, PyBytes_AS_STRING(self.through_python(False, wire, enciphered)), enciphered)
    elif size < NOGIL_BYTES:
        failed = self.decrypt_to(wire, enciphered, plain)
    else:
        with nogil:
            failed = self.decrypt_to(wire, enciphered, plain)
    if failed:
        raise RuntimeError("AES failed")
    return plain_size(self.code, wire, size, plain)


cdef bint look_up(bint native) except -1:
    """Choose compiled modules (``native``) or the Python API; returns whether the former."""
    global _aes, _looked, _start
    try:
        from Crypto.Cipher import AES
    except ImportError:
        raise UsageError("encryption needs the package pycryptodome") from None
    cdef FkStart start = best() if native else NULL
    _aes, _start, _looked = AES, start, True
    return start != NULL


cdef FkStart best() except? NULL:
    from Crypto.Util import _cpu_features as processor

    cdef FkStart start
    for module, prefix, needed in _MODULES:
        if needed is None or getattr(processor, needed, int)():
            start = trusted(module, prefix)
            if start != NULL:
                return start
    return NULL


cdef FkStart trusted(str module, str prefix) except? NULL:
    """The start function of one of pycryptodome's modules; NULL if it is not as it should be."""
    cdef size_t start, stop
    try:
        import ctypes
        from importlib.util import find_spec

        # A library that ctypes has opened stays open: the functions remain where they are.
        library = ctypes.CDLL(find_spec(f"Crypto.Cipher.{module}").origin)
        start = ctypes.cast(library[f"{prefix}_start_operation"], ctypes.c_void_p).value
        stop = ctypes.cast(library[f"{prefix}_stop_operation"], ctypes.c_void_p).value
    except (ImportError, OSError, AttributeError):
        return NULL
    return <FkStart>start if agrees(<FkStart>start, <FkStop>stop) else NULL


cdef bint agrees(FkStart start, FkStop stop) noexcept:
    """The example of FIPS 197, appendix C.1, alone and as one of many blocks, in place too."""
    cdef FkBlock* block = NULL
    cdef bint good
    cdef uint8_t[AES_KEY] key
    cdef int at
    for at in range(AES_KEY):
        key[at] = <uint8_t>at
    if fk_start(start, key, &block) or not fk_is_block(block, stop):
        # What looks otherwise is not called, not even to release it.
        return False
    good = blocks_agree(block)
    fk_stop(block)
    return good


cdef bint blocks_agree(const FkBlock* block) noexcept:
    cdef uint8_t[TEST_BLOCKS * AES_BLOCK] plain, many
    cdef uint8_t[AES_BLOCK] one
    cdef const uint8_t* expected = (
        b"\x69\xc4\xe0\xd8\x6a\x7b\x04\x30\xd8\xcd\xb7\x80\x70\xb4\xc5\x5a"
    )
    cdef int failed, number, place, wrong, size = TEST_BLOCKS * AES_BLOCK
    for place in range(size):
        # The first block is the example's: 00 11 22 … ff.
        plain[place] = <uint8_t>(place * 0x11 + place // AES_BLOCK)
    memcpy(many, plain, size)
    failed = fk_encrypt(block, many, many, size)
    wrong = memcmp(many, expected, AES_BLOCK)
    for number in range(TEST_BLOCKS):
        place = number * AES_BLOCK
        failed |= fk_encrypt(block, &plain[place], one, AES_BLOCK)
        wrong |= memcmp(one, &many[place], AES_BLOCK)
        failed |= fk_decrypt(block, &many[place], one, AES_BLOCK)
        wrong |= memcmp(one, &plain[place], AES_BLOCK)
    failed |= fk_decrypt(block, many, many, size)
    wrong |= memcmp(many, plain, size)
    return not failed and not wrong


def _use_native_aes(native):
    """Choose pycryptodome's compiled modules or its Python API for ciphers that are made from
    now on (for tests); returns whether the compiled ones are used.
    """
    return look_up(native)


cdef Sealing _sealing
_sealing.sealed_size = sealed_size
_sealing.seal = seal
_sealing.unseal = unseal

# For the compiled modules that seal and open frames.
_calls = PyCapsule_New(<void*>&_sealing, sealing_name(), NULL)
