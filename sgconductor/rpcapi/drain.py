"""Stopping a service's RPC server without losing a call.

A server that is about to stop is given to :func:`drain`, and then waited for::

    drain.drain(server)
    server.wait()
"""

from sgconductor.messaging import graceful_server

__all__ = ['drain']

drain = graceful_server.drain
