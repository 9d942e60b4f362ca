"""The hooks of a job: commands that are run around its run.

`around` decides which run and what their ends mean, `command` runs one, `facts` is what it
is told. Nothing of this is loaded for a job without hooks.
"""
