"""The pin: the lowest version of a binary, as everybody sees it."""

import abc
from typing import Any

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from sgconductor import context as sg_context
from sgconductor.objects import base
from sgconductor.objects import fields


@ovo_base.VersionedObjectRegistry.register
class Pin(base.SGObject):
    """The version that clients may use to call the services of a binary.

    ``version`` is in force: the lower of ``min_version``, of all services
    that count, and ``held_version``, an operator's cap. ``epoch``, ``since``
    and ``cause`` tell of its last change. ``services`` counts those that
    count by version; ``live`` are the members, of all binaries, whose
    process may be calling others, and ``following`` those of them whose
    beats carry the pin's epoch or a newer one.
    """

    # 1.0: Initial version
    VERSION = '1.0'

    fields = {
        'binary': fields.BinaryField(),
        'version': fields.NumberField(),
        'min_version': fields.NumberField(),
        'held_version': fields.NumberField(nullable=True),
        'epoch': fields.CountField(),
        'since': fields.MomentField(),
        'cause': fields.TextField(),
        'services': ovo_fields.DictOfIntegersField(),
        'following': fields.CountField(),
        'live': fields.CountField(),
    }

    @classmethod
    @ovo_base.remotable
    def get_by_binary(
        cls, context: sg_context.RequestContext, binary: str
    ) -> 'Pin':
        """
        :raises UnknownBinary: naming those that are known
        """
        return context.part(PinBackend).get(context, binary)

    @ovo_base.remotable
    def hold(self, version: int) -> None:
        """Cap the pin at a version, whatever joins.

        One at or below the version of an older release lets that release
        join again, once every live member follows it. The object needs only
        its ``binary``, and has all of its fields afterwards.

        :raises UnknownBinary: naming those that are known
        """
        self._backend.hold(self, version)

    @ovo_base.remotable
    def release(self) -> None:
        """Take the cap off: the pin is what the services say again.

        The object needs only its ``binary``, as for :meth:`hold`.

        :raises UnknownBinary: naming those that are known
        """
        self._backend.release(self)

    @property
    def _backend(self) -> 'PinBackend':
        context: sg_context.RequestContext = self._context
        return context.part(PinBackend)


@ovo_base.VersionedObjectRegistry.register
class PinList(ovo_base.ObjectListBase[Pin], base.SGObject):
    """All pins, by binary."""

    # 1.0: Initial version
    VERSION = '1.0'

    fields = {
        'objects': ovo_fields.ListOfObjectsField('Pin'),
    }

    @classmethod
    @ovo_base.remotable
    def get_all(cls, context: sg_context.RequestContext) -> 'PinList':
        return context.part(PinBackend).all(context)

    @classmethod
    @ovo_base.remotable
    def in_force(cls, context: sg_context.RequestContext) -> dict[str, Any]:
        """The versions that callers may use now, and nothing else.

        :returns: ``epoch``, and ``pins``: all versions in force, by binary.
            Later releases may add to it.
        """
        return context.part(PinBackend).in_force()

    @classmethod
    @ovo_base.remotable
    def what_if(
        cls, context: sg_context.RequestContext, without: list[str]
    ) -> dict[str, Any]:
        """Where the pins would go if the services of some hosts did not
        count.

        :param without: hosts
        :returns: the version in force then, by binary; a binary without
            services keeps its pin
        :raises InvalidInput: for a host that has no service
        """
        return context.part(PinBackend).what_if(without)


class PinBackend(abc.ABC):
    """The behaviour of pins, which a conductor implements.

    Each method does what the method of :class:`Pin` or :class:`PinList` of
    nearly the same name promises.
    """

    @abc.abstractmethod
    def get(self, context: sg_context.RequestContext, binary: str) -> Pin: ...

    @abc.abstractmethod
    def hold(self, pin: Pin, version: int) -> None: ...

    @abc.abstractmethod
    def release(self, pin: Pin) -> None: ...

    @abc.abstractmethod
    def all(self, context: sg_context.RequestContext) -> PinList: ...

    @abc.abstractmethod
    def in_force(self) -> dict[str, Any]: ...

    @abc.abstractmethod
    def what_if(self, without: list[str]) -> dict[str, Any]: ...
