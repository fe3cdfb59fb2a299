"""A process's membership in its group: it joins, beats, syncs and leaves."""

from sgconductor.member.membership import Membership

__all__ = ['Membership']
