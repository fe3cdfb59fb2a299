"""Benchmarks: ratios to a peer and to a limit, taken in one run.

The peer is Nova's own conductor, the limit is what bare oslo.messaging does
with an endpoint that does nothing; all use the same broker and database
server, one after the other and again. ``benchmarks/run --help`` names them.
"""
