"""The shadow report: what driver and shadow driver say, side by side."""

from typing import Any

from sgconductor.conductor import judges
from sgconductor.db import database
from sgconductor.db import disagreements
from sgconductor.db import services
from sgconductor.objects import fields


def compare(
    db: database.Database, judges: judges.Judges, limit: int, marker: int
) -> dict[str, Any]:
    """See :meth:`sgconductor.objects.ServiceList.compare`."""
    rows = db.query(lambda conn: services.page(conn, {}, limit, marker))
    ids = [row['id'] for row in rows]
    counts = db.query(lambda conn: disagreements.of(conn, ids))
    verdicts = zip(*(judge.judge(rows) for judge in judges.all), strict=True)
    return {
        'drivers': [
            {
                'name': driver.name,
                'trouble': driver.trouble,
                'outages': driver.outages,
            }
            for driver in judges.drivers
        ],
        'services': [
            {
                'id': row['id'],
                'host': row['host'],
                'binary': row['binary'],
                'verdicts': [(one.liveness, one.reason) for one in each],
                **_disagreement(counts.get(row['id'])),
            }
            for row, each in zip(rows, verdicts, strict=True)
        ],
    }


def _disagreement(row: disagreements.Row | None) -> dict[str, Any]:
    if row is None:
        return {'disagreements': 0, 'since': None}
    since = row['since'] and fields.Moment().stringify(row['since'])
    return {'disagreements': row['times'], 'since': since}
