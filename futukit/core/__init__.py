"""The protocol without IO: sessions, subscriptions, pushes, retry.

Nothing here opens a socket, starts a thread or reads a clock. Envelopes and the time come in as
arguments, events and bytes come out.
"""
