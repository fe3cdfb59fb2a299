"""Lists of services, in the order of their ids."""

import abc
import contextlib
import itertools
import json
from collections.abc import Generator
from collections.abc import Iterator
from typing import Any

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from sgconductor import context as sg_context
from sgconductor.objects import base
from sgconductor.objects import fast_codec
from sgconductor.objects import read_ahead
from sgconductor.objects.service import Service

PAGE = 1000
# The sizes of the pages of a walk; the last is that of all later pages. The
# sooner the first page arrives, the sooner both sides are at work.
_PAGES = (1000, 2000)


@ovo_base.VersionedObjectRegistry.register
class ServiceList(ovo_base.ObjectListBase[Service], base.SGObject):
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

        :meth:`walk` is faster where more than a few are wanted.

        :param limit: how many at most, 1 to 10000; fewer come only at the end
        :param marker: the ``id`` of the last service of the page before
        :raises InvalidInput: for a filter that no service can match
        """
        return context.part(ServiceListBackend).page(
            context,
            limit,
            marker,
            up,
            host=host,
            binary=binary,
            topic=topic,
            disabled=disabled,
        )

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
        """The same page as a table: what :meth:`walk` fetches.

        It costs less than half as much to send.

        :param names: of fields of services, each once
        :returns: ``names``: those that this conductor knows, in the same
            order; ``rows``: in JSON, the values of each service, as they
            travel; ``marker``: for the next page, None if there is none.
            Later releases may add to it.
        :raises InvalidInput: for a filter that no service can match
        """
        return context.part(ServiceListBackend).table(
            names,
            limit,
            marker,
            up,
            host=host,
            binary=binary,
            topic=topic,
            disabled=disabled,
        )

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
        return context.part(ServiceListBackend).oldest(context, binary, limit)

    @classmethod
    @ovo_base.remotable
    def get_lagging(
        cls,
        context: sg_context.RequestContext,
        epoch: int,
        limit: int = PAGE,
    ) -> 'ServiceList':
        """Live members whose beats carry an older epoch.

        :param limit: how many at most, 1 to 10000
        """
        return context.part(ServiceListBackend).lagging(context, epoch, limit)

    @classmethod
    @ovo_base.remotable
    def compare(
        cls,
        context: sg_context.RequestContext,
        limit: int = PAGE,
        marker: int | None = None,
    ) -> dict[str, Any]:
        """The verdicts by the driver and by the shadow driver, page by page.

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
        return context.part(ServiceListBackend).compare(limit, marker)

    @classmethod
    @ovo_base.remotable
    def census(
        cls, context: sg_context.RequestContext
    ) -> list[dict[str, Any]]:
        """How many services there are of each kind, counted by the database.

        :returns: mappings of ``topic``, ``binary`` and ``state``: 'up' or
            'down' as was announced last, or 'unknown' if nothing was;
            and how many those are: ``total``, and ``disabled``,
            ``forced_down`` and ``quarantined`` of them. Later releases may
            add to them.
        """
        return context.part(ServiceListBackend).census()

    @classmethod
    def walk(
        cls,
        context: sg_context.RequestContext,
        limit: int | None = None,
        marker: int | None = None,
        **filters: Any,
    ) -> Generator[Service, None, None]:
        """All services that match, or the first of them, page by page.

        While one page is used, the next ones are already being fetched. A
        caller that stops early waits for the page that is on its way.

        :param limit: how many at most; None for all
        :param marker: the ``id`` of the service to begin after
        :param filters: those of :meth:`get_page`
        :raises InvalidInput: for a filter that no service can match
        """

        names = list(Service.fields)

        def fetch(size: int, after: int | None) -> read_ahead.Page:
            table = cls.get_table(context, names, size, after, **filters)
            return read_ahead.Page(table, table['marker'])

        with contextlib.closing(
            read_ahead.pages(fetch, _sizes(limit), marker)
        ) as tables:
            for table in tables:
                make: Any = fast_codec.maker(Service, context, table['names'])
                yield from map(make, json.loads(table['rows']))


def _sizes(limit: int | None) -> Iterator[int]:
    """How many services to ask for, page by page.

    :param limit: how many in all; None for no limit
    """
    sizes = itertools.chain(_PAGES, itertools.repeat(_PAGES[-1]))
    if limit is None:
        yield from sizes
        return
    # A limit that makes no sense is the conductor's to refuse.
    yield min(limit, next(sizes))
    left = limit - _PAGES[0]
    while left > 0:
        size = min(left, next(sizes))
        left -= size
        yield size


class ServiceListBackend(abc.ABC):
    """The behaviour of lists of services, which a conductor implements.

    Each method answers the method of :class:`ServiceList` of nearly the same
    name. Filters that are None are not given.
    """

    @abc.abstractmethod
    def page(
        self,
        context: sg_context.RequestContext,
        limit: int,
        marker: int | None,
        up: bool | None,
        **filters: Any,
    ) -> ServiceList: ...

    @abc.abstractmethod
    def table(
        self,
        names: list[str],
        limit: int,
        marker: int | None,
        up: bool | None,
        **filters: Any,
    ) -> dict[str, Any]: ...

    @abc.abstractmethod
    def oldest(
        self, context: sg_context.RequestContext, binary: str, limit: int
    ) -> ServiceList: ...

    @abc.abstractmethod
    def lagging(
        self, context: sg_context.RequestContext, epoch: int, limit: int
    ) -> ServiceList: ...

    @abc.abstractmethod
    def compare(self, limit: int, marker: int | None) -> dict[str, Any]: ...

    @abc.abstractmethod
    def census(self) -> list[dict[str, Any]]: ...
