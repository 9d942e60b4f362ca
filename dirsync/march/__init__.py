"""Both sides of a tree in step: scan and compare at once, on any executor."""
