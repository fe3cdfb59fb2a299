"""Clients of a conductor, and what services of other projects use."""

from sgconductor.rpcapi import drain
from sgconductor.rpcapi.pinned import PinnedAPI

__all__ = ['PinnedAPI', 'drain']
