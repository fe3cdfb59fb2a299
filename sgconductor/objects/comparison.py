"""What the driver and the shadow driver say, side by side."""

from typing import Any

from sgconductor import backend
from sgconductor import db
from sgconductor.objects import fields


def compare(here: backend.Backend, limit: int, marker: int) -> dict[str, Any]:
    """See :meth:`sgconductor.objects.ServiceList.compare`."""
    with here.db.reader() as conn:
        rows = db.services.page(conn, {}, limit, marker)
        counts = db.disagreements.of(conn, [row['id'] for row in rows])
    verdicts = zip(*(judge.judge(rows) for judge in here.judges), strict=True)
    return {
        'drivers': [
            {
                'name': judge.voice.name,
                'trouble': judge.voice.trouble,
                'outages': judge.voice.outages,
            }
            for judge in here.judges
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


def _disagreement(row: 'db.disagreements.Row | None') -> dict[str, Any]:
    if row is None:
        return {'disagreements': 0, 'since': None}
    since = row['since'] and fields.Moment().stringify(row['since'])
    return {'disagreements': row['times'], 'since': since}
