/* The native lister as a Python module: dirsync.scan.native._lister. */
#define PY_SSIZE_T_CLEAN /* lengths of y# */
#include <Python.h>

#include "blake2b.h"
#include "glance.h"
#include "lister.h"

#include <stdlib.h>
#include <string.h>

static PyObject *bytes_of(const void *bytes, size_t length)
{
    return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
}

/* Make the fields of a Listing, `unknown` left out: a new reference, or NULL with an exception. */
static PyObject *fields_of(const struct listing *listing)
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
    PyObject *fields = fields_of(&listing);
    free_listing(&listing);
    return fields;
}

/* Some of the directories in an open one, on their way. */
struct batch {
    Py_ssize_t count;
    struct known *known; /* of bytes that the tuples of the caller own */
    struct glimpse *glimpses;
};

/* Borrow the bytes of an item of a tuple. Gives 0, or -1 with an exception. */
static int borrow_bytes(PyObject *tuple, Py_ssize_t at, const void **bytes, size_t *length)
{
    PyObject *item = PyTuple_GetItem(tuple, at); /* borrowed */
    char *of_item;
    Py_ssize_t signed_length;
    if (item == NULL || PyBytes_AsStringAndSize(item, &of_item, &signed_length) != 0)
        return -1;
    *bytes = of_item;
    *length = (size_t)signed_length;
    return 0;
}

static int borrow_name(PyObject *names, Py_ssize_t at, struct known *known)
{
    const void *bytes;
    size_t length;
    if (borrow_bytes(names, at, &bytes, &length) != 0)
        return -1;
    if (memchr(bytes, '\0', length) != NULL) {
        PyErr_SetString(PyExc_ValueError, "a name holds NUL");
        return -1;
    }
    known->name = bytes; /* NUL follows all bytes */
    return 0;
}

static int borrow_digest(PyObject *expected, Py_ssize_t at, struct known *known)
{
    const void *bytes;
    size_t length;
    known->digest = NULL;
    if (PyTuple_GetItem(expected, at) == Py_None)
        return 0;
    if (borrow_bytes(expected, at, &bytes, &length) != 0)
        return -1;
    if (length != DIGEST_BYTES) {
        PyErr_Format(PyExc_ValueError, "a digest has %d bytes, not %zu", DIGEST_BYTES, length);
        return -1;
    }
    known->digest = bytes;
    return 0;
}

/* Borrow what is known of each directory. Gives 0, or -1 with an exception. */
static int borrow_known(PyObject *names, PyObject *salts, PyObject *expected, struct batch *batch)
{
    for (Py_ssize_t at = 0; at < batch->count; at++) {
        struct known *known = &batch->known[at];
        if (borrow_name(names, at, known) != 0 ||
            borrow_bytes(salts, at, &known->salt, &known->salt_length) != 0 ||
            borrow_digest(expected, at, known) != 0)
            return -1;
    }
    return 0;
}

/* Make what Python knows a glimpse as: a new reference, or NULL with an exception. */
static PyObject *fields_of_glimpse(const struct glimpse *glimpse)
{
    if (!glimpse->is_as_it_was)
        Py_RETURN_NONE;
    Py_ssize_t column_bytes = (Py_ssize_t)(glimpse->subdirectories * 8);
    const char *names = glimpse->names, *inodes = (const char *)glimpse->inodes;
    const char *devices = (const char *)glimpse->devices;
    if (glimpse->subdirectories == 0) /* y# makes None of NULL */
        names = inodes = devices = "";
    return Py_BuildValue("(ny#y#y#)", (Py_ssize_t)glimpse->rows, names, (Py_ssize_t)glimpse->names_length,
                         inodes, column_bytes, devices, column_bytes);
}

static PyObject *fields_of_each(const struct glimpse *glimpses, Py_ssize_t count)
{
    PyObject *all = PyList_New(count);
    for (Py_ssize_t at = 0; all != NULL && at < count; at++) {
        PyObject *fields = fields_of_glimpse(&glimpses[at]);
        if (fields == NULL || PyList_SetItem(all, at, fields) != 0)
            Py_CLEAR(all);
    }
    return all;
}

static PyObject *glanced_at(int parent, const struct batch *batch, Py_ssize_t most_rows)
{
    size_t most = most_rows < 0 ? 0 : (size_t)most_rows;
    size_t count;
    Py_BEGIN_ALLOW_THREADS
    count = glance_at_each(parent, batch->known, (size_t)batch->count, most, batch->glimpses);
    Py_END_ALLOW_THREADS
    PyObject *all = fields_of_each(batch->glimpses, (Py_ssize_t)count);
    for (size_t at = 0; at < count; at++)
        free_glimpse(&batch->glimpses[at]);
    return all;
}

PyDoc_STRVAR(glance_doc,
             "glance($module, fd, names, salts, expected, most_rows, /)\n--\n\n"
             "Give the fields of a Glimpse of each directory that is as it was, in a list.\n\n"
             "The directories are known by their names in the one behind a handle. None: a digest is not\n"
             "the expected one, or there was none to compare. The list ends with the one that brings the\n"
             "rows of all to `most_rows`, or with the last. Other threads run meanwhile.\n\n"
             "Raises:\n    ValueError: a name holds NUL, a digest has not 16 bytes, the lengths differ.");

static PyObject *native_glance(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *names, *salts, *expected; /* tuples: no other thread can take anything out meanwhile */
    int parent;
    Py_ssize_t most_rows;
    if (!PyArg_ParseTuple(arguments, "iO!O!O!n:glance", &parent, &PyTuple_Type, &names, &PyTuple_Type,
                          &salts, &PyTuple_Type, &expected, &most_rows))
        return NULL;
    struct batch batch = {.count = PyTuple_Size(names)};
    if (PyTuple_Size(salts) != batch.count || PyTuple_Size(expected) != batch.count) {
        PyErr_SetString(PyExc_ValueError, "as many salts and digests as names are needed");
        return NULL;
    }
    size_t count = (size_t)batch.count + 1; /* never nothing, which calloc may give as NULL */
    batch.known = calloc(count, sizeof *batch.known);
    batch.glimpses = calloc(count, sizeof *batch.glimpses);
    PyObject *all = NULL;
    if (batch.known == NULL || batch.glimpses == NULL)
        PyErr_NoMemory();
    else if (borrow_known(names, salts, expected, &batch) == 0)
        all = glanced_at(parent, &batch, most_rows);
    free(batch.known);
    free(batch.glimpses);
    return all;
}

static PyMethodDef methods[] = {
    {"list_directory", native_list_directory, METH_O, list_directory_doc},
    {"glance", native_glance, METH_VARARGS, glance_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "dirsync.scan.native._lister",
    .m_doc = "List directories, and glance at them, with the interpreter lock released: lister.h, glance.h.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__lister(void)
{
    return PyModuleDef_Init(&definition);
}
