"""Lists of services, in the order of their ids."""

import functools
import itertools
import json
import threading
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Sequence
from concurrent import futures
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from sgconductor import backend
from sgconductor import context as sg_context
from sgconductor import db
from sgconductor import exception
from sgconductor.objects import base
from sgconductor.objects import comparison
from sgconductor.objects import fast_codec
from sgconductor.objects import fields
from sgconductor.objects import service
from sgconductor.servicegroup import liveness

if TYPE_CHECKING:
    # Else oslo.versionedobjects' plugin for mypy takes any Service for ours.
    from sgconductor.objects.service import Service  # noqa: F401

# A row, and the verdict on it.
_Found = tuple['db.services.Row', liveness.Verdict]

PAGE = 1000
_LIMIT = fields.WholeNumber(1, 10 * PAGE)
_MARKER = fields.WholeNumber(0, fields.MAX_INT)
# The sizes of the pages of a walk, of which the last is that of all others:
# the sooner the first is there, the sooner two sides are at work.
_PAGES = (1000, 2000)


@ovo_base.VersionedObjectRegistry.register
class ServiceList(fast_codec.LazyList):
    """A page of services, in the order of their ids."""

    # 1.0: Initial version
    # 1.1: Added get_oldest() and get_lagging()
    # 1.2: Added compare(); pages of up to 10000
    # 1.3: Added get_table()
    # 1.4: Added census()
    VERSION = '1.4'

    fields = {
        'objects': ovo_fields.ListOfObjectsField('Service'),
    }
    _found: Sequence['_Found'] = ()

    @classmethod
    @ovo_base.remotable
    def get_page(
        cls,
        context: sg_context.RequestContext,
        limit: int = PAGE,
        marker: int | None = None,
        host: str | None = None,
        binary: str | None = None,
        topic: str | None = None,
        disabled: bool | None = None,
        up: bool | None = None,
    ) -> 'ServiceList':
        """The first services after a marker that match all filters.

        :param limit: how many at most, 1 to 10000; fewer come only at the end
        :param marker: the ``id`` of the last service of the page before
        :raises InvalidInput: for a filter that no service can match
        """
        filters = _filters(host, binary, topic, disabled)
        found, _ = _find(backend.of(context), limit, marker, up, filters)
        return cls.from_rows(context, found)

    @classmethod
    @ovo_base.remotable
    def get_table(
        cls,
        context: sg_context.RequestContext,
        names: list[str],
        limit: int = PAGE,
        marker: int | None = None,
        host: str | None = None,
        binary: str | None = None,
        topic: str | None = None,
        disabled: bool | None = None,
        up: bool | None = None,
    ) -> dict[str, Any]:
        """The same as a table, which costs less than half as much to send.

        :param names: of fields of services, each once; who asks for those
            that it knows can make services of its version
        :returns: ``names``: those that this conductor knows, in the same
            order; ``rows``: in JSON, the values of each service, as they
            travel; ``marker``: for the next page, None if there is none.
            Later releases may add to it.
        :raises InvalidInput: for a filter that no service can match
        """
        if (
            not isinstance(names, list)
            or not all(isinstance(name, str) for name in names)
            or len(set(names)) < len(names)
        ):
            raise exception.InvalidInput(
                f'names must be a list of names, each of them once, not '
                f'{names!r:.200}'
            )
        filters = _filters(host, binary, topic, disabled)
        found, more = _find(backend.of(context), limit, marker, up, filters)
        known = [name for name in names if name in service.Service.fields]
        rows = [[*map(service.data(*one).__getitem__, known)] for one in found]
        return {
            'names': known,
            'rows': json.dumps(rows),
            'marker': found[-1][0]['id'] if more else None,
        }

    @classmethod
    @ovo_base.remotable
    def get_oldest(
        cls,
        context: sg_context.RequestContext,
        binary: str,
        limit: int = PAGE,
    ) -> 'ServiceList':
        """Those of the lowest version among all that count for a pin.

        :param limit: how many at most, 1 to 10000
        """
        here = backend.of(context)
        limit = base.coerce(_LIMIT, 'limit', limit)
        key = base.take(service.Service, {'binary': binary})
        with here.db.reader() as conn:
            rows = db.services.oldest(conn, **key, limit=limit)
        return cls._judged(context, rows)

    @classmethod
    @ovo_base.remotable
    def get_lagging(
        cls,
        context: sg_context.RequestContext,
        epoch: int,
        limit: int = PAGE,
    ) -> 'ServiceList':
        """Live members whose beats carry no such epoch, nor a newer one.

        :param limit: how many at most, 1 to 10000
        """
        here = backend.of(context)
        limit = base.coerce(_LIMIT, 'limit', limit)
        epoch = base.coerce(
            fields.WholeNumber(0, fields.MAX_BIGINT), 'epoch', epoch
        )
        with here.db.reader() as conn:
            spans = db.reception.windows(conn)
            rows = db.services.lagging(conn, epoch, limit, spans)
        return cls._judged(context, rows)

    @classmethod
    @ovo_base.remotable
    def compare(
        cls,
        context: sg_context.RequestContext,
        limit: int = PAGE,
        marker: int | None = None,
    ) -> dict[str, Any]:
        """What the driver and the shadow driver say, of a page of services.

        :param limit: how many at most, 1 to 10000
        :param marker: the ``id`` of the last service of the page before
        :returns: ``drivers``: for each of them, the one that counts first,
            ``name``, ``trouble`` (why it cannot be asked, or '') and
            ``outages`` (how often that was so, as this conductor saw it);
            ``services``: for each its ``id``, ``host``, ``binary``,
            ``verdicts`` (liveness and reason by each driver), how many
            ``disagreements`` of the two there have been, and since when
            (``since``) one lasts. Later releases may add to all.
        """
        return comparison.compare(
            backend.of(context),
            base.coerce(_LIMIT, 'limit', limit),
            base.coerce(_MARKER, 'marker', marker or 0),
        )

    @classmethod
    @ovo_base.remotable
    def census(
        cls, context: sg_context.RequestContext
    ) -> list[dict[str, Any]]:
        """How many services there are of each kind, counted by the database.

        :returns: mappings of ``topic``, ``binary`` and ``state``: 'up' or
            'down' as was announced last, or 'unknown' of what nothing was;
            and how many those are: ``total``, and ``disabled``,
            ``forced_down`` and ``quarantined`` of them. Later releases may
            add to them.
        """
        rows = backend.of(context).db.query(db.services.census)
        return [{**row, 'state': row['state'] or 'unknown'} for row in rows]

    @classmethod
    def _judged(
        cls,
        context: sg_context.RequestContext,
        rows: 'Sequence[db.services.Row]',
    ) -> 'ServiceList':
        verdicts = backend.of(context).liveness.judge(rows)
        return cls.from_rows(context, list(zip(rows, verdicts, strict=True)))

    @classmethod
    def from_rows(
        cls, context: sg_context.RequestContext, found: list[_Found]
    ) -> 'ServiceList':
        """The list of what was found; for the conductor's own use."""
        made = cls.made_of(
            context,
            found,
            lambda one: service.Service.from_row(context, *one),
        )
        made._found = found
        return made

    def obj_load_attr(self, attrname: str) -> None:
        super().obj_load_attr(attrname)
        self._found = ()

    def obj_to_primitive(
        self,
        target_version: str | None = None,
        version_manifest: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """The same as of a list of objects, without making them."""
        wanted = (version_manifest or {}).get('Service')
        found = () if self.made else self._found
        if not found or target_version is None or wanted is None:
            return super().obj_to_primitive(target_version, version_manifest)
        return fast_codec.primitive(
            type(self),
            {
                'objects': [
                    fast_codec.primitive(
                        service.Service, service.data(*one), wanted
                    )
                    for one in found
                ]
            },
            target_version,
        )

    @classmethod
    def walk(
        cls, context: sg_context.RequestContext, **filters: Any
    ) -> Generator[service.Service, None, None]:
        """All services that match, fetched a page at a time.

        While one page is gone through, the next are fetched already. Who
        leaves it early waits for the one that is under way.

        :param filters: those of :meth:`get_page`
        """
        sizes = itertools.chain(_PAGES, itertools.repeat(_PAGES[-1]))
        ahead = futures.ThreadPoolExecutor(1, 'walk')
        mine = threading.current_thread()

        def fetch(before: _Fetched | None) -> Page | None:
            # They run one after the other: the one before is done.
            marker = None
            if before is not None:
                page = before.result()
                if page is None or page.marker is None:
                    return None
                marker = page.marker
            return cls.fetch(context, next(sizes), marker, **filters)

        try:
            first = ahead.submit(fetch, None)
            then = ahead.submit(fetch, first)
            while (page := first.result()) is not None:
                first, then = then, ahead.submit(fetch, then)
                yield from page.services()
        finally:
            # Who closes the connection next finds nobody on it. If it is
            # found as garbage, by any thread, there is nobody to wait.
            ahead.shutdown(
                wait=threading.current_thread() is mine, cancel_futures=True
            )

    @classmethod
    def fetch(
        cls,
        context: sg_context.RequestContext,
        limit: int = PAGE,
        marker: int | None = None,
        **filters: Any,
    ) -> 'Page':
        """A page, in the cheapest way that the conductor knows.

        :param limit: how many at most, 1 to 10000
        :param marker: of the page before
        :param filters: those of :meth:`get_page`
        :raises InvalidInput: for a filter that no service can match
        """
        names = list(service.Service.fields)
        try:
            table = cls.get_table(context, names, limit, marker, **filters)
        except exception.NotRemotable:
            # This time, a conductor of the release before has answered.
            limit = min(limit, PAGE)
            page = cls.get_page(context, limit, marker, **filters).objects
            more = len(page) == limit
            return Page(page[-1].id if more else None, lambda: page)
        return Page(table['marker'], functools.partial(_read, context, table))


class Page(NamedTuple):
    """A page as it has come.

    :ivar marker: for the next one; None if it is the last
    :ivar services: makes them
    """

    marker: int | None
    services: Callable[[], Sequence[service.Service]]


_Fetched = futures.Future[Page | None]


def _read(
    context: sg_context.RequestContext, table: dict[str, Any]
) -> list[service.Service]:
    """What :meth:`ServiceList.get_table` has answered."""
    make: Any = fast_codec.maker(service.Service, context, table['names'])
    return list(map(make, json.loads(table['rows'])))


def _filters(
    host: str | None,
    binary: str | None,
    topic: str | None,
    disabled: bool | None,
) -> dict[str, Any]:
    """Those that are given, by column.

    :raises InvalidInput: for one that no service can match
    """
    wanted = {
        'host': host,
        'binary': binary,
        'topic': topic,
        'disabled': disabled,
    }
    return base.take(
        service.Service, {k: v for k, v in wanted.items() if v is not None}
    )


def _find(
    here: backend.Backend,
    limit: int,
    marker: int | None,
    up: bool | None,
    filters: dict[str, Any],
) -> tuple[list[_Found], bool]:
    """The rows of a page with the verdicts on them, and if it is full."""
    limit = base.coerce(_LIMIT, 'limit', limit)
    marker = base.coerce(_MARKER, 'marker', marker or 0)
    if up is not None:
        base.coerce(fields.TrueOrFalse(), 'up', up)
    found: list[_Found] = []
    # The verdict is not SQL's to give, so a filter on it takes as many large
    # pages as it needs; any other list is one SELECT.
    size = limit if up is None else PAGE
    while len(found) < limit:
        rows = here.db.query(
            functools.partial(
                db.services.page, filters=filters, limit=size, marker=marker
            )
        )
        verdicts = here.liveness.judge(rows)
        found += [
            (row, verdict)
            for row, verdict in zip(rows, verdicts, strict=True)
            if up is None or verdict.up == up
        ]
        if len(rows) < size:
            break
        marker = rows[-1]['id']
    return found[:limit], len(found) >= limit
