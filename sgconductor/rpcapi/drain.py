"""The public door to drain an RPC server."""

from sgconductor.messaging.graceful_server import drain

__all__ = ['drain']
