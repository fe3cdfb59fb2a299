"""The pin: the lowest version of a binary, as everybody sees it."""

from typing import Any
from typing import Self
from typing import TYPE_CHECKING

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from sgconductor import backend
from sgconductor import context as sg_context
from sgconductor import db
from sgconductor import exception
from sgconductor import roster
from sgconductor.objects import base
from sgconductor.objects import fields

if TYPE_CHECKING:
    import sqlalchemy as sa

_MOST_HOSTS = 1000


@ovo_base.VersionedObjectRegistry.register
class Pin(base.SGObject):
    """What may be spoken to the services of a binary.

    ``version`` is in force: the lower of ``min_version``, of all services
    that count, and ``held_version``, an operator's cap. ``epoch``, ``since``
    and ``cause`` tell of its last change. ``services`` counts those that
    count by version; ``live`` are the members, of all binaries, whose
    process may be speaking to others, and ``following`` those of them whose
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
        pin = cls(context, **base.take(cls, {'binary': binary}))
        pin._refresh()
        return pin

    @ovo_base.remotable
    def hold(self, version: int) -> None:
        """Let the pin not exceed a version, whatever joins.

        One at or below the version of an older release lets that release
        join again, once every live member follows it.

        :raises UnknownBinary: naming those that are known
        """
        version = base.coerce(self.fields['version'], 'version', version)
        self._put(version, f'hold at {version}')

    @ovo_base.remotable
    def release(self) -> None:
        """Let the pin be what the services say.

        :raises UnknownBinary: naming those that are known
        """
        self._put(None, 'release of the hold')

    @classmethod
    def from_row(
        cls,
        context: sg_context.RequestContext,
        row: 'db.pins.Row',
        census: dict[int, int],
        epochs: dict[int, int],
    ) -> Self:
        """The pin that a row is; for the conductor's own use."""
        pin = cls(context)
        pin._read(row, census, epochs)
        return pin

    def _put(self, version: int | None, cause: str) -> None:
        def hold(conn: 'sa.Connection') -> None:
            db.pins.hold(conn, _row(conn, self.binary), version, cause)

        roster.change(backend.of(self._context), self.binary, cause, hold)
        self._refresh()

    def _refresh(self) -> None:
        here = backend.of(self._context)
        with here.db.reader() as conn:
            row = _row(conn, self.binary)
            census = db.pins.census(conn, [self.binary])
            epochs = db.pins.followers(conn, db.reception.windows(conn))
        self._read(row, census[self.binary], epochs)

    def _read(
        self,
        row: 'db.pins.Row',
        census: dict[int, int],
        epochs: dict[int, int],
    ) -> None:
        for name, value in row.items():
            if name in self.fields:
                setattr(self, name, value)
        self.services = {str(v): count for v, count in census.items()}
        self.following, self.live = db.pins.following(epochs, self.epoch)
        self.obj_reset_changes()


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
        here = backend.of(context)
        with here.db.reader() as conn:
            rows = db.pins.get_all(conn)
            census = db.pins.census(conn, [row['binary'] for row in rows])
            epochs = db.pins.followers(conn, db.reception.windows(conn))
        return cls(
            context,
            objects=[
                Pin.from_row(context, row, census[row['binary']], epochs)
                for row in rows
            ],
        )

    @classmethod
    @ovo_base.remotable
    def in_force(cls, context: sg_context.RequestContext) -> dict[str, Any]:
        """What a caller goes by, and nothing else.

        :returns: ``epoch``, and ``pins``: all versions in force, by binary.
            Later releases may add to it.
        """
        state = backend.of(context).db.query(db.pins.state)
        return {'epoch': state.epoch, 'pins': state.versions}

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
        hosts = _hosts(without)
        with backend.of(context).db.reader() as conn:
            rows = db.pins.get_all(conn)
            names = [row['binary'] for row in rows]
            missing = set(hosts) - db.pins.hosts(conn, hosts)
            lowest = db.pins.minimum(conn, names, hosts)
        if missing:
            raise exception.InvalidInput(
                f'no service counts on {", ".join(sorted(missing))}'
            )
        return {row['binary']: _then(row, lowest) for row in rows}


def _then(row: 'db.pins.Row', lowest: dict[str, int | None]) -> int:
    version = lowest[row['binary']]
    then: int = row['min_version'] if version is None else version
    held = row['held_version']
    return then if held is None else min(then, held)


def _hosts(value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > _MOST_HOSTS:
        raise exception.InvalidInput(
            f'without must be a list of at most {_MOST_HOSTS} hosts, not '
            f'{value!r:.200}'
        )
    return [base.coerce(fields.HostField(), 'host', host) for host in value]


def _row(conn: 'sa.Connection', binary: str) -> 'db.pins.Row':
    row = db.pins.get(conn, binary)
    if row is None:
        raise exception.UnknownBinary(
            binary, [one['binary'] for one in db.pins.get_all(conn)]
        )
    return row
