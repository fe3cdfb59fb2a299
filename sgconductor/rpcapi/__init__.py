"""The clients of a conductor, and what both ends of the bus share."""

from sgconductor.rpcapi.pinned import PinnedAPI

__all__ = ['PinnedAPI']
