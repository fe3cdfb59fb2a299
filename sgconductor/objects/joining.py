"""Joining: services become members, together with all that ask at once."""

from __future__ import annotations

import collections
import logging
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING

from sgconductor import backend
from sgconductor import db
from sgconductor import exception
from sgconductor import roster
from sgconductor.objects import event
from sgconductor.servicegroup import liveness

if TYPE_CHECKING:
    import datetime

    import sqlalchemy as sa

    from sgconductor.objects import service

LOG = logging.getLogger(__name__)


class Ask(NamedTuple):
    """
    :ivar service: that has all that it joins with
    :ivar token: as :meth:`sgconductor.objects.Service.join` takes it
    """

    service: service.Service
    token: str


class Answer(NamedTuple):
    """
    :ivar row: of the member
    :ivar news: as of :func:`sgconductor.roster.news`
    """

    row: db.services.Row
    news: dict[str, Any]


def join(
    here: backend.Backend, asks: Sequence[Ask]
) -> list[Answer | Exception]:
    """Make services members, in few transactions.

    :returns: for each; the error where it is refused
    """
    done: dict[int, Answer | Exception] = {}
    try:
        for group in _groups(asks):
            _join_all(here, group, done)
    except exception.Unreachable as error:
        # Nobody waits once more for a server that another has waited for.
        done = dict.fromkeys(range(len(asks)), error) | done
    return [done[i] for i in range(len(asks))]


def _groups(asks: Sequence[Ask]) -> list[dict[int, Ask]]:
    """Those that :func:`sgconductor.roster.join` takes at once.

    What asks for the same host and binary stays in its order.
    """
    groups: list[dict[int, Ask]] = []
    versions: list[dict[str, int]] = []
    nexts: dict[tuple[str, str], int] = {}
    for i, ask in enumerate(asks):
        one = ask.service
        key = (one.host, one.binary)
        n = nexts.get(key, 0)
        while n < len(groups) and one.version != versions[n].setdefault(
            one.binary, one.version
        ):
            n += 1
        if n == len(groups):
            groups.append({})
            versions.append({one.binary: one.version})
        groups[n][i] = ask
        nexts[key] = n + 1
    return groups


def _join_all(
    here: backend.Backend,
    group: Mapping[int, Ask],
    done: dict[int, Answer | Exception],
) -> None:
    """Join some at once, and alone those that cannot be.

    :param done: gets an answer or an error for each
    :raises Unreachable: for those that it has none for
    """
    if len(group) > 1:
        try:
            done |= _join(here, group)
        except exception.Unreachable:
            raise
        except Exception:
            # Whose fault it is, is seen when each is alone.
            LOG.debug('Not at once: %s', group, exc_info=True)
    for i, ask in group.items():
        if i in done:
            continue
        try:
            done |= _join(here, {i: ask})
        except exception.Unreachable:
            raise
        except Exception as error:
            done[i] = error


def _join(
    here: backend.Backend, asks: Mapping[int, Ask]
) -> dict[int, Answer | Exception]:
    """
    :returns: without those that have to ask alone
    """
    anyone = next(iter(asks.values())).service

    def note(
        conn: sa.Connection,
        now: datetime.datetime,
        joined: Sequence[db.joins.Joined],
    ) -> None:
        events = []
        turning: dict[str, dict[int, service.Service]] = (
            collections.defaultdict(dict)
        )
        for row, news in joined:
            # The driver hears of the member only after this.
            verdict = liveness.of_heard(row)
            seen = anyone.alike(row, verdict)
            if news:
                events.append((f'service.{news}', seen))
            if news == 'create':
                events.append((f'service.{verdict.liveness}', seen))
            elif row['state'] != verdict.liveness:
                turning[verdict.liveness][row['id']] = seen
        for state, services in turning.items():
            events += [
                (f'service.{state}', services[i])
                for i in db.announced_state.mark(
                    conn,
                    {i: one.incarnation for i, one in services.items()},
                    state,
                )
            ]
        event.note_all(conn, events, now)

    joins = [
        db.joins.Join(
            token=token,
            **{
                name: getattr(one, name)
                for name in one.IDENTITY + one.JOINS_WITH
            },
        )
        for one, token in asks.values()
    ]
    joined, news = roster.join(here, joins, note)
    return {
        i: Answer(each.row, news)
        for i, each in zip(asks, joined, strict=True)
        if each is not None
    }
