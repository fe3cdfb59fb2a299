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
        _clean(context.request_id, 64),
        _clean(context.user_id, 255),
        _clean(context.user_name, 255),
    )


def _clean(value: object, longest: int) -> str | None:
    """A value off the wire, cut and without control characters."""
    if value is None:
        return None
    return ''.join(c if c.isprintable() else '?' for c in str(value)[:longest])


# What the conductor does by itself.
NOBODY = Requester()
