"""Objects and contexts, to the wire and back."""

from typing import Any

from sgconductor import context as sg_context
from sgconductor.objects import base as objects_base
from sgconductor.objects import fast_codec


class Serializer(objects_base.Serializer):
    """Serializes objects and contexts.

    :param here: ``backend=`` or ``conductor=`` for contexts that arrive
    """

    def __init__(self, **here: Any) -> None:
        super().__init__()
        self._here = here
        # Only what conductors answer is loaded without being validated.
        self._trusts_sender = 'conductor' in here

    def deserialize_entity(self, context: Any, entity: Any) -> Any:
        if self._trusts_sender:
            loaded = fast_codec.load(context, entity)
            if loaded is not None:
                return loaded
        return super().deserialize_entity(context, entity)

    def serialize_context(
        self, context: sg_context.RequestContext
    ) -> dict[str, Any]:
        return context.to_dict()

    def deserialize_context(
        self, context: dict[str, Any]
    ) -> sg_context.RequestContext:
        return sg_context.RequestContext.from_dict(context, **self._here)
