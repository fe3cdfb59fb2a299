"""Joins: services become members, concurrent ones in one transaction."""

import logging
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import admission
from sgconductor.conductor import change_log
from sgconductor.conductor import events
from sgconductor.conductor import group_commit
from sgconductor.conductor import joining_pins
from sgconductor.conductor import liveness
from sgconductor.conductor import requester as sg_requester
from sgconductor.conductor import roster
from sgconductor.db import announced_state
from sgconductor.db import clock
from sgconductor.db import joins as db_joins
from sgconductor.db import pins
from sgconductor.objects import base
from sgconductor.objects import fields

LOG = logging.getLogger(__name__)

# Maximum joins per transaction: it is still a short one.
_TOGETHER = 100


class Request(NamedTuple):
    """A join that waits for its transaction.

    :ivar by: whose request it is
    """

    join: db_joins.Join
    by: sg_requester.Requester


class Answer(NamedTuple):
    """The result of a join.

    :ivar joined: the row of the member, and what the join has changed
    :ivar now: the database's, in microseconds since 1970
    :ivar pins: as they are after it
    """

    joined: db_joins.Joined
    now: int
    pins: pins.State


class Joins:
    """Has services join: the way of a join through a conductor."""

    def __init__(
        self, roster: roster.Roster, changes: change_log.ChangeLog
    ) -> None:
        self._roster = roster
        self._changes = changes
        self._group = group_commit.GroupCommit(self.join_all, _TOGETHER)

    def join(self, service: objects.Service, token: str) -> Answer:
        """Make a service a member, perhaps together with others.

        :raises InvalidInput: for a field that is missing or cannot work
        :raises ServiceTooOld: if the pin is beyond its version
        """
        asked = request(service, token)
        try:
            answer = self._group.submit(asked)
        except exception.ServiceTooOld as error:
            self._changes.count(
                'Join refused',
                service.binary,
                service.host,
                str(error),
                asked.by,
            )
            raise
        row = answer.joined.row
        if not answer.joined.is_repeat:
            self._changes.count(
                'Joined',
                row['binary'],
                row['host'],
                f'version {row["version"]}, incarnation {row["incarnation"]}',
                asked.by,
            )
        return answer

    def join_all(
        self, requests: Sequence[Request]
    ) -> list[Answer | Exception]:
        """Make services members, in few transactions.

        :returns: for each, in order; its error if it is refused
        """
        done: dict[int, Answer | Exception] = {}
        try:
            for group in _groups(requests):
                self._join_group(group, done)
        except exception.Unreachable as error:
            # Nobody waits again for a server that was just waited for.
            done = dict.fromkeys(range(len(requests)), error) | done
        return [done[i] for i in range(len(requests))]

    def _join_group(
        self,
        group: Mapping[int, Request],
        done: dict[int, Answer | Exception],
    ) -> None:
        """Join a group together, and those alone that cannot be.

        :param done: gets an answer or an error for each
        :raises Unreachable: for those that it has none for
        """
        if len(group) > 1:
            try:
                done |= self._transact(group)
            except exception.Unreachable:
                raise
            except Exception:
                # Each joins alone then, which shows the one at fault.
                LOG.debug('Not together: %s', group, exc_info=True)
        for i, request in group.items():
            if i in done:
                continue
            try:
                done |= self._transact({i: request})
            except exception.Unreachable:
                raise
            except Exception as error:
                done[i] = error

    def _transact(self, requests: Mapping[int, Request]) -> dict[int, Answer]:
        """Join in one transaction, which also moves the pins.

        Of one binary, all have the same version, and each is of another
        host: so their order makes no difference.

        :returns: without those that have to join alone
        :raises ServiceTooOld: for one that is alone
        """
        by = {request.join: request.by for request in requests.values()}

        def work(
            conn: sa.Connection, locked: pins.Locked
        ) -> tuple[tuple[int, dict[db_joins.Join, db_joins.Joined]], bool]:
            moving = joining_pins.JoiningPins(
                conn, locked, {join.binary for join in by}
            )
            admitted = _admit(conn, moving.rows, list(by))
            joined = db_joins.join(conn, admitted, locked.now)
            happenings = _happenings(conn, joined, [by[j] for j in admitted])
            events.record(conn, happenings, locked.now)
            moving.settle(admitted, joined)
            done = dict(zip(admitted, joined, strict=True))
            return (clock.to_micros(locked.now), done), moving.moved

        # Of each binary, its first join is what moves the pin.
        movers = {join.binary: by[join] for join in reversed(by)}
        (now, done), state = self._roster.commit(work, movers)
        return {
            i: Answer(done[request.join], now, state)
            for i, request in requests.items()
            if request.join in done
        }


def request(service: objects.Service, token: str) -> Request:
    """The request of a service that wants to join.

    :raises InvalidInput: for a field that is missing or cannot work
    """
    wanted = service.IDENTITY + service.JOINS_WITH
    missing = [name for name in wanted if not service.obj_attr_is_set(name)]
    if missing:
        raise exception.InvalidInput(
            f'a service joins with {", ".join(missing)}'
        )
    if service.down_after <= service.report_interval:
        raise exception.InvalidInput(
            f'down_after ({service.down_after} s) must be longer than '
            f'report_interval ({service.report_interval} s)'
        )
    refused = sorted(set(service.obj_get_changes()) - set(wanted))
    if refused:
        raise exception.ReadOnlyField('Service.join', refused, wanted)
    return Request(
        db_joins.Join(
            token=base.coerce(fields.Uuid(), 'token', token),
            **{name: getattr(service, name) for name in wanted},
        ),
        sg_requester.of(service.obj_context),
    )


def _groups(requests: Sequence[Request]) -> list[dict[int, Request]]:
    """Requests that can share a transaction.

    Requests for the same host and binary stay in their order.
    """
    groups: list[dict[int, Request]] = []
    versions: list[dict[str, int]] = []
    nexts: dict[tuple[str, str], int] = {}
    for i, one in enumerate(requests):
        join = one.join
        key = (join.host, join.binary)
        n = nexts.get(key, 0)
        while n < len(groups) and join.version != versions[n].setdefault(
            join.binary, join.version
        ):
            n += 1
        if n == len(groups):
            groups.append({})
            versions.append({join.binary: join.version})
        groups[n][i] = one
        nexts[key] = n + 1
    return groups


def _admit(
    conn: sa.Connection,
    rows: Mapping[str, pins.Row | None],
    asked: Sequence[db_joins.Join],
) -> list[db_joins.Join]:
    """Those that may join in this transaction.

    :param rows: the pins, by binary
    :raises ServiceTooOld: for one that is alone
    """
    if len(asked) == 1:
        (join,) = asked
        pin = rows[join.binary]
        admission.admit(conn, pin, join.host, join.binary, join.version)
        return [join]
    # One below the pin may have to wait for the others, so it joins alone.
    return [
        join
        for join in asked
        if (pin := rows[join.binary]) is None
        or join.version >= pin['min_version']
    ]


def _happenings(
    conn: sa.Connection,
    joined: Sequence[db_joins.Joined],
    by: Sequence[sg_requester.Requester],
) -> list[events.Happening]:
    """The events of joins, of which each announces its service only once."""
    happenings = []
    turning: dict[str, dict[int, events.Happening]] = {'up': {}, 'down': {}}
    for (row, change, _), requester in zip(joined, by, strict=True):
        # The driver learns of the member only after this.
        verdict = liveness.of_joined(row)
        turn = events.Happening(
            f'service.{verdict.liveness}', row, verdict, requester
        )
        if change:
            happenings.append(turn._replace(type=f'service.{change}'))
        if change == 'create':
            happenings.append(turn)
        elif row['state'] != verdict.liveness:
            turning[verdict.liveness][row['id']] = turn
    for state, turns in turning.items():
        judged = {
            i: announced_state.Judged(one.row['incarnation'])
            for i, one in turns.items()
        }
        if turns:
            marked = announced_state.mark(conn, judged, state)
            happenings += [turns[i] for i in sorted(marked)]
    return happenings
