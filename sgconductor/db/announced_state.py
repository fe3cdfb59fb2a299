"""SQL on what services were announced to be: up or down."""

from collections.abc import Mapping

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models

_T = models.services


def mark(
    conn: sa.Connection, services: Mapping[int, int], state: str
) -> set[int]:
    """Turn living services up or down that are not so yet.

    Whoever has joined, or was ordered down, since somebody looked, stays as
    that has made it.

    :param services: the incarnation that was looked at, by id
    :param state: 'up' or 'down'
    :returns: the ids of those that turned
    """
    where = [
        _T.c.id.in_(services),
        _T.c.deleted == 0,
        sa.or_(_T.c.state.is_(None), _T.c.state != state),
    ]
    if state == 'up':
        where += [
            _T.c.left_at.is_(None),
            _T.c.forced_down == sa.false(),
            _T.c.quarantined == sa.false(),
        ]
    found = conn.execute(
        sa.select(_T.c.id, _T.c.incarnation)
        .where(*where)
        .order_by(_T.c.id)
        .with_for_update()
    )
    turned = {row.id for row in found if services[row.id] == row.incarnation}
    if turned:
        conn.execute(
            _T.update()
            .where(_T.c.id.in_(turned))
            .values(state=state, state_since=clock.utcnow())
        )
    return turned
