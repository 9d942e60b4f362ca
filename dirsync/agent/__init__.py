"""The far end of a job: a server that lists, sends and takes the files of its shares. `docs/protocol.md`."""
