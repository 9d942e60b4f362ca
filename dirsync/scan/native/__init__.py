"""The lister in C. `lister.h`, `glance.h` and `blake2b.h` are contracts; `module.c` hands them to Python."""
