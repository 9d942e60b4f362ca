/* Strides for Python: what dirsync/scan/stride.py calls. */
#include "module.h"

#include "stride.h"

#include <stdlib.h>
#include <string.h>

/* Borrow the names of a tuple, which keeps them alive. Gives 0, or -1 with an exception. */
static int borrow_names(PyObject *tuple, const char **names)
{
    Py_ssize_t count = PyTuple_Size(tuple);
    for (Py_ssize_t at = 0; at < count; at++) {
        char *name;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(tuple, at), &name, &length) != 0)
            return -1;
        if (strlen(name) != (size_t)length) { /* NUL follows all bytes */
            PyErr_SetString(PyExc_ValueError, "a name holds NUL");
            return -1;
        }
        names[at] = name;
    }
    return 0;
}

/* Make (path, ctime, entries, entries, fields, fields), source before destination; None for what was not
 * listed. */
static PyObject *told_of(const struct stride *stride, const struct differing *differing)
{
    const char *path = stride->paths.bytes + differing->path_at;
    Py_ssize_t length = (Py_ssize_t)differing->path_length;
    if (!differing->is_listed)
        return Py_BuildValue("(y#LnnOO)", path, length, 0LL, (Py_ssize_t)0, (Py_ssize_t)0, Py_None, Py_None);
    PyObject *new = fields_of_listing(&differing->new);
    PyObject *old = new == NULL ? NULL : fields_of_listing(&differing->old);
    if (old == NULL) {
        Py_XDECREF(new);
        return NULL;
    }
    return Py_BuildValue("(y#LnnNN)", path, length, (long long)differing->ctime_ns,
                         (Py_ssize_t)differing->new_entries, (Py_ssize_t)differing->old_entries, new, old);
}

static PyObject *list_of_differing(const struct stride *stride)
{
    PyObject *list = PyList_New((Py_ssize_t)stride->count);
    for (size_t at = 0; list != NULL && at < stride->count; at++) {
        PyObject *told = told_of(stride, &stride->each[at]);
        if (told == NULL || PyList_SetItem(list, (Py_ssize_t)at, told) != 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *fields_of_stride(const struct stride *stride)
{
    PyObject *differing = list_of_differing(stride);
    if (differing == NULL)
        return NULL;
    const char *left = stride->left.length == 0 ? "" : stride->left.bytes; /* y# makes None of NULL */
    return Py_BuildValue("(nnNy#)", (Py_ssize_t)stride->begun, (Py_ssize_t)stride->entries, differing, left,
                         (Py_ssize_t)stride->left.length);
}

static PyObject *stride_over(const struct striding *asked, int source, int destination, PyObject *names)
{
    Py_ssize_t count = PyTuple_Size(names);
    const char **borrowed = calloc((size_t)count + 1, sizeof *borrowed); /* never nothing, which may be NULL */
    if (borrowed == NULL)
        return PyErr_NoMemory();
    PyObject *fields = NULL;
    if (borrow_names(names, borrowed) == 0) {
        struct stride stride = {0};
        int answer;
        Py_BEGIN_ALLOW_THREADS
        answer = stride_through(asked, source, destination, borrowed, (size_t)count, &stride);
        Py_END_ALLOW_THREADS
        fields = answer == 0 ? fields_of_stride(&stride) : PyErr_NoMemory();
        free_stride(&stride);
    }
    free(borrowed);
    return fields;
}

const char stride_doc[] = PyDoc_STR(
    "stride($module, source, destination, names, columns, hard_links, telling, mark, device, levels,"
    " most_rows, /)\n--\n\n"
    "Stride through directories that have the same names behind two handles: stride.h.\n\n"
    "`columns` says whether sizes, mtimes and owners count. `telling` are names with NUL behind each.\n"
    "Gives how many of the named were begun, the entries of equal directories, the (path, ctime_ns,\n"
    "entries, entries, fields, fields) of those that differ, and the paths of what is left, with NUL\n"
    "behind each.\n"
    "Other threads run meanwhile.\n\n"
    "Raises:\n    ValueError: a name holds NUL.\n    MemoryError: what was found cannot be told.");

PyObject *native_stride(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *names, *device; /* a tuple: no other thread can take anything out meanwhile */
    int source, destination, size, mtime, ownership, hard_links;
    const char *telling, *mark;
    Py_ssize_t telling_length, levels, most_rows;
    if (!PyArg_ParseTuple(arguments, "iiO!(ppp)py#yOnn:stride", &source, &destination, &PyTuple_Type, &names,
                          &size, &mtime, &ownership, &hard_links, &telling, &telling_length, &mark, &device,
                          &levels, &most_rows))
        return NULL;
    if (telling_length > 0 && telling[telling_length - 1] != '\0') {
        PyErr_SetString(PyExc_ValueError, "NUL is to follow each name that is looked for");
        return NULL;
    }
    struct striding asked = {
        .size = size,
        .mtime = mtime,
        .ownership = ownership,
        .hard_links = hard_links,
        .telling = telling,
        .telling_length = (size_t)telling_length,
        .mark = mark,
        .levels = levels < 0 ? 0 : (size_t)levels,
        .most_rows = most_rows < 0 ? 0 : (size_t)most_rows,
    };
    if (take_device(device, &asked.has_device, &asked.device) != 0)
        return NULL;
    return stride_over(&asked, source, destination, names);
}
