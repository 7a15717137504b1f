"""The compiled core: ``cipher``, ``frame`` (stream ↔ envelopes), ``wire`` (bytes ↔ messages)."""
