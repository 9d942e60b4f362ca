"""What two ends say to each other: messages, frames, and what is believed of them. `docs/protocol.md`."""
