"""The shadow comparison: counts how often two drivers disagree."""

import logging
from collections.abc import Sequence

import sqlalchemy as sa

from sgconductor.conductor import judges
from sgconductor.conductor import liveness
from sgconductor.db import database
from sgconductor.db import disagreements
from sgconductor.db import services

LOG = logging.getLogger(__name__)


class ShadowComparison:
    """Compares the driver that counts with the shadow driver."""

    def __init__(self, db: database.Database, judges: judges.Judges) -> None:
        self._db = db
        self._judges = judges

    def compare(
        self,
        rows: Sequence[services.Row],
        verdicts: Sequence[liveness.Verdict],
    ) -> None:
        """Record on which services the two begin or cease to disagree.

        :param verdicts: by the driver that counts
        """
        shadow = self._judges.shadow
        if shadow is None:
            return
        others = shadow.judge(rows)
        if not all(driver.sound for driver in self._judges.drivers):
            # Where a driver cannot tell, the table has decided in its place.
            return
        differ = {
            row['id']: (row, one, other)
            for row, one, other in zip(rows, verdicts, others, strict=True)
            if one.up != other.up
        }
        with self._db.reader() as conn:
            known = disagreements.lasting(conn)
        new = set(differ) - known
        over = known & {row['id'] for row in rows} - set(differ)
        if not new | over:
            return

        def record(conn: sa.Connection) -> None:
            disagreements.begin(conn, new)
            disagreements.end(conn, over)

        self._db.write(record)
        for i in sorted(new):
            row, one, other = differ[i]
            LOG.warning(
                'The drivers disagree on %s on %s: %s says %s, %s says %s',
                row['binary'],
                row['host'],
                self._judges.primary.driver.name,
                _words(one),
                shadow.driver.name,
                _words(other),
            )
        for row in rows:
            if row['id'] in over:
                LOG.info(
                    'The drivers agree again on %s on %s.',
                    row['binary'],
                    row['host'],
                )


def _words(verdict: liveness.Verdict) -> str:
    return f'{verdict.liveness} {verdict.reason}'.rstrip()
