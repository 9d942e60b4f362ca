/* The native lister as a Python module: dirsync.scan.native._lister. */
#include "module.h"

#include "lister.h"
#include "standing.h"

static PyObject *bytes_of(const void *bytes, size_t length)
{
    return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
}

PyObject *fields_of_listing(const struct listing *listing)
{
    PyObject *fields = PyTuple_New(COLUMNS + 2);
    if (fields == NULL)
        return NULL;
    for (int field = 0; field < COLUMNS + 2; field++) {
        PyObject *bytes;
        if (field == 0)
            bytes = bytes_of(listing->names.bytes, listing->names.length);
        else if (field <= COLUMNS)
            bytes = bytes_of(listing->columns[field - 1], listing->rows * column_width[field - 1]);
        else
            bytes = bytes_of(listing->targets.bytes, listing->targets.length);
        if (bytes == NULL || PyTuple_SetItem(fields, field, bytes) != 0) {
            Py_DECREF(fields);
            return NULL;
        }
    }
    return fields;
}

int take_device(PyObject *device, bool *has_device, uint64_t *number)
{
    *has_device = device != Py_None;
    if (!*has_device)
        return 0;
    *number = PyLong_AsUnsignedLongLong(device);
    return PyErr_Occurred() == NULL ? 0 : -1;
}

PyDoc_STRVAR(list_directory_doc,
             "list_directory($module, fd, /)\n--\n\n"
             "Give the columns of a Listing of the directory behind a handle, from `names` to `targets`.\n\n"
             "None: a name was seen whose attributes were not; the reference has to be asked.\n"
             "Other threads run meanwhile.\n\n"
             "Raises:\n    OSError: the directory could not be read to its end.");

static PyObject *native_list_directory(PyObject *module, PyObject *handle)
{
    (void)module;
    int fd = PyObject_AsFileDescriptor(handle);
    if (fd < 0)
        return NULL;
    struct listing listing;
    enum answer answer;
    Py_BEGIN_ALLOW_THREADS
    answer = list_directory(fd, &listing); /* errno stays what it is: PyEval_RestoreThread keeps it */
    Py_END_ALLOW_THREADS
    if (answer == FAILED)
        return PyErr_SetFromErrno(PyExc_OSError);
    if (answer == UNSEEN)
        Py_RETURN_NONE;
    PyObject *fields = fields_of_listing(&listing);
    free_listing(&listing);
    return fields;
}

PyDoc_STRVAR(own_working_directory_doc,
             "own_working_directory($module, /)\n--\n\n"
             "Let glances and strides of the calling thread stand in the directories they look at: standing.h.\n\n"
             "The thread has a working directory and a umask of its own from then on. False: the system lets it not.");

static PyObject *native_own_working_directory(PyObject *module, PyObject *nothing)
{
    (void)module;
    (void)nothing;
    return PyBool_FromLong(own_working_directory() == 0);
}

static PyMethodDef methods[] = {
    {"list_directory", native_list_directory, METH_O, list_directory_doc},
    {"glance", native_glance, METH_VARARGS, glance_doc},
    {"stride", native_stride, METH_VARARGS, stride_doc},
    {"own_working_directory", native_own_working_directory, METH_NOARGS, own_working_directory_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "dirsync.scan.native._lister",
    .m_doc = "Go through directories with the interpreter lock released: lister.h, glance.h, stride.h.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__lister(void)
{
    return PyModuleDef_Init(&definition);
}
