"""Joining: services become members, together with all that ask at once."""

from __future__ import annotations

import collections
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
    """Make services members, in one transaction if they can be.

    :returns: for each; the error where it is refused
    """
    done: dict[int, Answer | Exception] = {}
    if len(asks) > 1:
        together = _together(asks)
        try:
            done |= _join(here, together)
        except exception.Unreachable as error:
            done |= dict.fromkeys(together, error)
        except Exception:
            # Whose fault it is, is seen when each is alone.
            done = {}
    for i, ask in enumerate(asks):
        if i not in done:
            try:
                done |= _join(here, {i: ask})
            except Exception as error:
                done[i] = error
    return [done[i] for i in range(len(asks))]


def _together(asks: Sequence[Ask]) -> dict[int, Ask]:
    """Those that :func:`sgconductor.roster.join` takes at once."""
    versions: dict[str, int] = {}
    found: dict[tuple[str, str], int] = {}
    for i, (one, _) in enumerate(asks):
        if versions.setdefault(one.binary, one.version) == one.version:
            found.setdefault((one.host, one.binary), i)
    return {i: asks[i] for i in found.values()}


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
            verdict = liveness.by_table(row, ())
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
                for i in db.states.turn(
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
