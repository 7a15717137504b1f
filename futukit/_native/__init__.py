"""The compiled core: ``frame`` (byte stream ↔ envelopes) and ``wire`` (bytes ↔ messages)."""
