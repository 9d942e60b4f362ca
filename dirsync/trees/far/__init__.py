"""A tree that another machine serves, read as one of this machine would be."""
