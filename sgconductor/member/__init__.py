"""What a member process links: joining, beating, leaving."""

from sgconductor.member.membership import Membership

__all__ = ['Membership']
