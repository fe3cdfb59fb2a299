"""The shadow comparison: counts how often two drivers disagree."""

from collections.abc import Sequence

import sqlalchemy as sa

from sgconductor.conductor import change_log
from sgconductor.conductor import judges
from sgconductor.conductor import liveness
from sgconductor.db import database
from sgconductor.db import disagreements
from sgconductor.db import services


class ShadowComparison:
    """Compares the driver that counts with the shadow driver."""

    def __init__(
        self,
        db: database.Database,
        judges: judges.Judges,
        changes: change_log.ChangeLog,
    ) -> None:
        self._db = db
        self._judges = judges
        self._changes = changes

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
        known = self._db.query(disagreements.current)
        new = set(differ) - known
        over = known & {row['id'] for row in rows} - set(differ)
        if not new | over:
            return

        def record(conn: sa.Connection) -> None:
            disagreements.begin(conn, new)
            disagreements.end(conn, over)

        self._db.write(record)
        names = [driver.name for driver in self._judges.drivers]
        for i in sorted(new):
            row, *verdicts_on_it = differ[i]
            self._changes.count(
                'Drivers disagree',
                row['binary'],
                row['host'],
                ', '.join(
                    f'{name} says {verdict.liveness} {verdict.reason}'.rstrip()
                    for name, verdict in zip(
                        names, verdicts_on_it, strict=True
                    )
                ),
            )
        for row in rows:
            if row['id'] in over:
                self._changes.count(
                    'Drivers agree again', row['binary'], row['host']
                )
