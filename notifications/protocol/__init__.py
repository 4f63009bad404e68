"""The wire format, without any I/O: strict JSON, the item, and the frames of `docs/protocol.md`."""
