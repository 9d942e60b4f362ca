"""Places where trees are, and the one gate through which they change."""
