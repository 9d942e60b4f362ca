/* What the files of the Python module have in common. */
#ifndef DIRSYNC_MODULE_H
#define DIRSYNC_MODULE_H

#define PY_SSIZE_T_CLEAN /* lengths of y# */
#include <Python.h>

#include "lister.h"

#include <stdbool.h>
#include <stdint.h>

/* Each of these gives a new reference, or NULL with an exception. */

/* Make the fields of a Listing, `unknown` left out. */
PyObject *fields_of_listing(const struct listing *listing);

PyObject *native_glance(PyObject *module, PyObject *arguments);
PyObject *native_stride(PyObject *module, PyObject *arguments);

extern const char glance_doc[], stride_doc[];

/* Take a device number, or None. Gives 0, or -1 with an exception. */
int take_device(PyObject *device, bool *has_device, uint64_t *number);

#endif
