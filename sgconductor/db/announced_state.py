"""SQL on the announced state of services: up or down.

It is what events have said last, and no evidence.
"""

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models

_T = models.services


class Judged(NamedTuple):
    """What a service was judged by.

    :ivar last_seen_up: its last beat then, as in its row; None if beats have
        not decided
    """

    incarnation: int
    last_seen_up: str | None = None


def mark(
    conn: sa.Connection, services: Mapping[int, Judged], state: str
) -> set[int]:
    """Set the announced state of living services, where it differs.

    A service that has joined again since it was judged is left as it is. So
    is one that an admin has taken down, or that has left, if the state is
    'up', and one that has beaten since, if the state is 'down': the process
    that judged it may have been stopped meanwhile, for any time.

    :param services: by id
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
        sa.select(_T.c.id, _T.c.incarnation, clock.text(_T.c.last_seen_up))
        .where(*where)
        .order_by(_T.c.id)
        .with_for_update()
    )
    changed = {
        id_
        for id_, incarnation, last_seen_up in found
        if services[id_].incarnation == incarnation
        and services[id_].last_seen_up in (None, last_seen_up)
    }
    if changed:
        conn.execute(
            _T.update()
            .where(_T.c.id.in_(changed))
            .values(state=state, state_since=clock.utcnow())
        )
    return changed
