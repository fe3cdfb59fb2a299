"""Benchmarks: sgconductor beside a peer and a limit, in one run.

The peer is Nova's own conductor; the limit is bare oslo.messaging, with an
endpoint that does nothing. All sides use the same broker and database server,
and are measured in turn. ``benchmarks/run --help`` lists the parts of a run.
"""
