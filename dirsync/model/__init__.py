"""The nouns: what jobs, entries, changes and results are. No input or output here."""
