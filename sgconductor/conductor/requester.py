"""The requester: whose request causes a change."""

from typing import NamedTuple

from sgconductor import context as sg_context


class Requester(NamedTuple):
    """Whose request causes a change, as logs and events tell it.

    :ivar request_id: of the request; None if the conductor acts by itself
    :ivar user_id: of the user, where the REST API knows one
    :ivar user_name: the same for people
    """

    request_id: str | None = None
    user_id: str | None = None
    user_name: str | None = None

    def __str__(self) -> str:
        if self.request_id is None:
            return 'found by this conductor'
        user = self.user_name or self.user_id
        return self.request_id + (f' by {user}' if user else '')


def of(context: sg_context.RequestContext) -> Requester:
    """The requester that a context names."""
    return Requester(
        _cut(context.request_id, 64),
        _cut(context.user_id, 255),
        _cut(context.user_name, 255),
    )


def _cut(text: str | None, longest: int) -> str | None:
    """A text as the database has room for it."""
    return text and text[:longest]


# What the conductor does by itself.
NOBODY = Requester()
