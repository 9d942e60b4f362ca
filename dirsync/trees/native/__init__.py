"""Small files in C, many in one call: an optional extension. Its contract is `small.h`."""
