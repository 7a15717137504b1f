# Part of frame.pyx: the memory that a reader reads into.


@cython.final
cdef class _Chunk:
    """A block of memory that views may be out on. It is never resized, only replaced."""

    cdef unsigned char* data
    cdef Py_ssize_t size
    cdef Py_ssize_t lent_from
    cdef Py_ssize_t views

    def __cinit__(self, Py_ssize_t size):
        self.data = <unsigned char*>PyMem_RawMalloc(size)
        if self.data == NULL:
            raise MemoryError
        self.size = size

    def __dealloc__(self):
        PyMem_RawFree(self.data)

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(
            view, self, self.data + self.lent_from, self.size - self.lent_from, 0, flags
        )
        self.views += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.views -= 1
