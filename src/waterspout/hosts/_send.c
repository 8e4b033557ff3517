/* The system call that sends, for socketlink.py, which has os.write where this could not be compiled.

   os.write releases the interpreter's lock, and enters the kernel by way of the file system. A socket that never blocks
   needs neither, and a delivery to one of many clients costs a tenth less. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS has none; Python ignores SIGPIPE */
#endif

static PyObject *send_now(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "send takes a descriptor and bytes");
    long descriptor = PyLong_AsLong(args[0]);
    if (descriptor == -1 && PyErr_Occurred())
        return NULL;
    Py_buffer data;
    if (PyObject_GetBuffer(args[1], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    Py_ssize_t sent = send((int)descriptor, data.buf, (size_t)data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    int error = errno;
    PyBuffer_Release(&data);
    errno = error;
    return sent < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromSsize_t(sent);
}

static PyMethodDef methods[] = {
    {"send", (PyCFunction)(void (*)(void))send_now, METH_FASTCALL,
     "Send bytes as far as the socket takes them now, and return how many that were. Raises OSError."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_send",
    .m_doc = "The system call that sends, compiled.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__send(void)
{
    return PyModule_Create(&module);
}
