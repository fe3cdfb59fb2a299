"""Lists of services: pages, tables, and those that pins depend on."""

import functools
import json
from collections.abc import Sequence
from typing import Any

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import judges
from sgconductor.conductor import liveness
from sgconductor.conductor import service_objects
from sgconductor.conductor import shadow_report
from sgconductor.db import database
from sgconductor.db import reception
from sgconductor.db import service_counts
from sgconductor.db import services
from sgconductor.objects import base
from sgconductor.objects import fields
from sgconductor.objects import service_list

_Judged = tuple[services.Row, liveness.Verdict]

_LIMIT = fields.WholeNumber(1, 10 * service_list.PAGE)
_MARKER = fields.WholeNumber(0, fields.MAX_INT)
_EPOCH = fields.WholeNumber(0, fields.MAX_BIGINT)


class ServiceLists(service_list.ServiceListBackend):
    """Answers for :class:`sgconductor.objects.ServiceList`."""

    def __init__(self, db: database.Database, judges: judges.Judges) -> None:
        self._db = db
        self._judges = judges

    def page(
        self,
        context: sg_context.RequestContext,
        limit: int,
        marker: int | None,
        up: bool | None,
        **filters: Any,
    ) -> objects.ServiceList:
        found, _ = self._find(limit, marker, up, filters)
        return _listed(context, found)

    def table(
        self,
        names: list[str],
        limit: int,
        marker: int | None,
        up: bool | None,
        **filters: Any,
    ) -> dict[str, Any]:
        if (
            not isinstance(names, list)
            or not all(isinstance(name, str) for name in names)
            or len(set(names)) < len(names)
        ):
            raise exception.InvalidInput(
                f'names must be a list of names, each of them once, not '
                f'{names!r:.200}'
            )
        found, more = self._find(limit, marker, up, filters)
        known = [name for name in names if name in objects.Service.fields]
        rows = [
            [*map(service_objects.values(*one).__getitem__, known)]
            for one in found
        ]
        return {
            'names': known,
            'rows': json.dumps(rows),
            'marker': found[-1][0]['id'] if more else None,
        }

    def oldest(
        self, context: sg_context.RequestContext, binary: str, limit: int
    ) -> objects.ServiceList:
        limit = base.coerce(_LIMIT, 'limit', limit)
        key = base.take(objects.Service, {'binary': binary})
        rows = self._db.query(
            functools.partial(services.at_lowest_version, **key, limit=limit)
        )
        return _listed(context, self._judge(rows))

    def lagging(
        self, context: sg_context.RequestContext, epoch: int, limit: int
    ) -> objects.ServiceList:
        limit = base.coerce(_LIMIT, 'limit', limit)
        epoch = base.coerce(_EPOCH, 'epoch', epoch)
        rows = self._db.query(
            lambda conn: services.unconfirmed(
                conn, epoch, limit, reception.windows(conn)
            )
        )
        return _listed(context, self._judge(rows))

    def compare(self, limit: int, marker: int | None) -> dict[str, Any]:
        return shadow_report.compare(
            self._db,
            self._judges,
            base.coerce(_LIMIT, 'limit', limit),
            base.coerce(_MARKER, 'marker', marker or 0),
        )

    def census(self) -> list[dict[str, Any]]:
        rows = self._db.query(service_counts.count)
        return [{**row, 'state': row['state'] or 'unknown'} for row in rows]

    def _find(
        self,
        limit: int,
        marker: int | None,
        up: bool | None,
        filters: dict[str, Any],
    ) -> tuple[list[_Judged], bool]:
        """The rows of a page with the verdicts on them, and if it is full."""
        limit = base.coerce(_LIMIT, 'limit', limit)
        marker = base.coerce(_MARKER, 'marker', marker or 0)
        if up is not None:
            base.coerce(fields.TrueOrFalse(), 'up', up)
        given = base.take(
            objects.Service,
            {name: v for name, v in filters.items() if v is not None},
        )
        found: list[_Judged] = []
        # SQL cannot give the verdict, so a filter on it takes as many large
        # pages as it needs; any other list is one SELECT.
        size = limit if up is None else service_list.PAGE
        while len(found) < limit:
            rows = self._db.query(
                functools.partial(
                    services.page, filters=given, limit=size, marker=marker
                )
            )
            found += [
                one
                for one in self._judge(rows)
                if up is None or one[1].up == up
            ]
            if len(rows) < size:
                break
            marker = rows[-1]['id']
        return found[:limit], len(found) >= limit

    def _judge(self, rows: Sequence[services.Row]) -> list[_Judged]:
        verdicts = self._judges.primary.judge(rows)
        return list(zip(rows, verdicts, strict=True))


def _listed(
    context: sg_context.RequestContext, found: Sequence[_Judged]
) -> objects.ServiceList:
    listed = objects.ServiceList(
        context,
        objects=[service_objects.make(context, *one) for one in found],
    )
    listed.obj_reset_changes()
    return listed
