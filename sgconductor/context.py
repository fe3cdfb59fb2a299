"""The request context: who asks, and where the answer comes from."""

from typing import Any
from typing import Protocol
from typing import Self
from typing import TypeVar

from oslo_context import context as oslo_context
from oslo_versionedobjects import base as ovo_base

from sgconductor import exception

Interface = TypeVar('Interface')

# Of a text of a context, in characters; and of its lists.
_LONGEST = 255
_MOST_ITEMS = 100


class Backend(Protocol):
    """The behaviour behind objects, which a conductor has."""

    def part(self, interface: type[Interface]) -> Interface:
        """The part of the conductor that implements an interface.

        :param interface: an abstract class that stands beside its object
        :raises LookupError: if the conductor has no such part
        """
        ...


class RequestContext(oslo_context.RequestContext):
    """Who asks, and who answers: a backend here, or a remote conductor.

    :ivar backend: the conductor's own behaviour; None anywhere else
    :ivar conductor: the client by which a conductor is asked; None inside
        one

    Exactly one of the two is given, and neither travels.
    """

    def __init__(
        self,
        *,
        backend: Backend | None = None,
        conductor: ovo_base.VersionedObjectIndirectionAPI | None = None,
        **kwargs: Any,
    ) -> None:
        if (backend is None) == (conductor is None):
            raise ValueError('give either a backend or a conductor')
        super().__init__(**kwargs)
        self.backend = backend
        self.conductor = conductor

    def to_dict(self) -> dict[str, Any]:
        """The values that travel; the user's name is for the log."""
        return {**super().to_dict(), 'user_name': self.user_name}

    @classmethod
    def from_dict(cls, values: dict[str, Any], **kwargs: Any) -> Self:
        """Rebuild a context that came over the bus.

        What comes off the wire goes into each line of the log, so texts are
        cut, and have no control characters.

        :param values: what ``to_dict()`` gave on the other side
        :param kwargs: ``backend=`` or ``conductor=``, as here
        """
        cleaned = {name: clean(value) for name, value in values.items()}
        return super().from_dict(cleaned, **kwargs)

    def part(self, interface: type[Interface]) -> Interface:
        """The part of this conductor that implements an interface.

        :raises NoBackend: outside a conductor
        """
        if self.backend is None:
            raise exception.NoBackend()
        return self.backend.part(interface)


def clean(value: Any) -> Any:
    """A value of a context off the wire, as a log can take it.

    Texts and lists are cut, control characters become ``?``, and values of
    other types than those of a context become None.
    """
    if isinstance(value, list):
        return [clean(item) for item in value[:_MOST_ITEMS]]
    if not isinstance(value, str):
        return value if isinstance(value, bool | int | None) else None
    text = value[:_LONGEST]
    if text.isprintable():
        return text
    return ''.join(c if c.isprintable() else '?' for c in text)
