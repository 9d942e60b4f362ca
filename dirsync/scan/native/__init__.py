"""The lister in C. Each header is a contract; `lister.h` comes first, and `module.c` hands all to Python."""
