"""SQL on the announced state of services: up or down.

It is what events have said last, and no evidence.
"""

from collections.abc import Mapping

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models

_T = models.services


def mark(
    conn: sa.Connection, services: Mapping[int, int], state: str
) -> set[int]:
    """Set the announced state of living services, where it differs.

    A service that has joined again since it was judged is left as it is. So
    is one that an admin has taken down, or that has left, if the state is
    'up'.

    :param services: the incarnation that was judged, by id
    :param state: 'up' or 'down'
    :returns: the ids of the services that changed
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
    changed = {row.id for row in found if services[row.id] == row.incarnation}
    if changed:
        conn.execute(
            _T.update()
            .where(_T.c.id.in_(changed))
            .values(state=state, state_since=clock.utcnow())
        )
    return changed
