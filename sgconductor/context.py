"""The request context, which says where we are."""

from typing import Any
from typing import Self

from oslo_context import context as oslo_context
from oslo_versionedobjects import base as ovo_base


class RequestContext(oslo_context.RequestContext):
    """Who asks, and who can answer: a backend here, or a conductor afar.

    :ivar backend: what a conductor works on (see
        :mod:`sgconductor.backend`); None anywhere else
    :ivar conductor: the client by which a conductor is asked; None inside
        one

    Exactly one of the two is given, and neither travels.
    """

    def __init__(
        self,
        *,
        backend: object | None = None,
        conductor: ovo_base.VersionedObjectIndirectionAPI | None = None,
        **kwargs: Any,
    ) -> None:
        if (backend is None) == (conductor is None):
            raise ValueError('give either a backend or a conductor')
        super().__init__(**kwargs)
        self.backend = backend
        self.conductor = conductor

    @classmethod
    def from_dict(cls, values: dict[str, Any], **kwargs: Any) -> Self:
        """Rebuild a context that came over the bus.

        :param values: what ``to_dict()`` gave on the other side
        :param kwargs: ``backend=`` or ``conductor=``, as here
        """
        return super().from_dict(values, **kwargs)
