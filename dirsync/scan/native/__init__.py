"""The lister in C: `lister.h` is its contract, `lister.c` keeps it, `module.c` hands it to Python."""
