/* The native lister as a Python module: dirsync.scan.native._lister. */
#include <Python.h>

#include "lister.h"

#include <stdlib.h>

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
    const char **names; /* owned by the tuple of them that the caller holds */
    struct listing *listings;
    enum answer *answers;
};

/* Take the names of a tuple into a batch that is as large. Gives 0, or -1 with an exception. */
static int take_names(PyObject *names, struct batch *batch)
{
    for (Py_ssize_t at = 0; at < batch->count; at++) {
        PyObject *name = PyTuple_GetItem(names, at); /* borrowed */
        char *bytes;
        if (name == NULL || PyBytes_AsStringAndSize(name, &bytes, NULL) != 0)
            return -1;
        batch->names[at] = bytes;
    }
    return 0;
}

/* List one after another, until they have so many rows together. Gives how many were. */
static Py_ssize_t list_batch(int parent, struct batch *batch, size_t most_rows)
{
    size_t rows = 0;
    Py_ssize_t at = 0;
    while (at < batch->count && rows < most_rows) {
        batch->answers[at] = list_subdirectory(parent, batch->names[at], &batch->listings[at]);
        rows += batch->listings[at++].rows;
    }
    return at;
}

/* Make a list of the fields of each listing, None for one that there is not. */
static PyObject *fields_of_each(const struct batch *batch, Py_ssize_t count)
{
    PyObject *all = PyList_New(count);
    for (Py_ssize_t at = 0; all != NULL && at < count; at++) {
        PyObject *fields = Py_None;
        if (batch->answers[at] == LISTED)
            fields = fields_of(&batch->listings[at]);
        else
            Py_INCREF(fields);
        if (fields == NULL || PyList_SetItem(all, at, fields) != 0)
            Py_CLEAR(all);
    }
    return all;
}

static PyObject *listed_batch(int parent, PyObject *names, struct batch *batch, size_t most_rows)
{
    if (take_names(names, batch) != 0)
        return NULL;
    Py_ssize_t count;
    Py_BEGIN_ALLOW_THREADS
    count = list_batch(parent, batch, most_rows);
    Py_END_ALLOW_THREADS
    PyObject *all = fields_of_each(batch, count);
    for (Py_ssize_t at = 0; at < count; at++)
        free_listing(&batch->listings[at]);
    return all;
}

PyDoc_STRVAR(list_subdirectories_doc,
             "list_subdirectories($module, fd, names, most_rows, /)\n--\n\n"
             "Give the columns of directories by their names in the one behind a handle, in a list.\n\n"
             "It ends with the one that brings the rows of all to `most_rows`, or with the last.\n"
             "None: one could not be opened, read, or seen in full. Other threads run meanwhile.\n\n"
             "Raises:\n    ValueError: a name holds NUL.");

static PyObject *native_list_subdirectories(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *names; /* a tuple: no other thread can take a name out of it meanwhile */
    int parent;
    Py_ssize_t most_rows;
    if (!PyArg_ParseTuple(arguments, "iO!n:list_subdirectories", &parent, &PyTuple_Type, &names, &most_rows))
        return NULL;
    struct batch batch = {.count = PyTuple_Size(names)};
    size_t count = (size_t)batch.count + 1; /* never nothing, which malloc may give as NULL */
    batch.names = malloc(count * sizeof *batch.names);
    batch.listings = malloc(count * sizeof *batch.listings);
    batch.answers = malloc(count * sizeof *batch.answers);
    PyObject *all;
    if (batch.names == NULL || batch.listings == NULL || batch.answers == NULL)
        all = PyErr_NoMemory();
    else
        all = listed_batch(parent, names, &batch, (size_t)most_rows);
    free(batch.names);
    free(batch.listings);
    free(batch.answers);
    return all;
}

static PyMethodDef methods[] = {
    {"list_directory", native_list_directory, METH_O, list_directory_doc},
    {"list_subdirectories", native_list_subdirectories, METH_VARARGS, list_subdirectories_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "dirsync.scan.native._lister",
    .m_doc = "List directories with the interpreter lock released; lister.h is the contract.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__lister(void)
{
    return PyModuleDef_Init(&definition);
}
