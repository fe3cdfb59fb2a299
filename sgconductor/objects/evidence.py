"""The evidence behind a verdict, piece by piece."""

from collections.abc import Iterator
from typing import Any

from sgconductor import backend
from sgconductor import db
from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup import liveness

_SECOND = 1_000_000


def collect(
    here: backend.Backend, row: 'db.services.Row', verdict: liveness.Verdict
) -> list[dict[str, Any]]:
    """See :meth:`sgconductor.objects.Service.explain`."""
    return [
        *_orders(row),
        *_table(row, db.reception.read_windows(here.db)),
        *_drivers(here, row),
        *_verdict(row, verdict),
    ]


def _orders(row: 'db.services.Row') -> Iterator[dict[str, Any]]:
    ordered = liveness.by_order(row)
    if ordered is not None:
        yield _piece('services table', ordered.reason, None, 'down')


def _table(
    row: 'db.services.Row', spans: 'list[db.reception.Window]'
) -> Iterator[dict[str, Any]]:
    seconds = row['age'] / _SECOND
    silent = liveness.silence(row['age'], spans, row['down_after']) / _SECOND
    if seconds <= row['down_after']:
        speaks_for = 'up'
    else:
        speaks_for = 'down' if silent > row['down_after'] else 'unknown'
    yield _piece(
        'services table',
        f'last beat of incarnation {row["incarnation"]}; allowed '
        f'{row["down_after"]} s, it beats each {row["report_interval"]} s',
        seconds,
        speaks_for,
    )
    yield _piece(
        'hearing', 'newest beat of anybody', spans[0].ended / _SECOND, ''
    )
    if len(spans) > 1:
        gap = (spans[1].ended - spans[0].began) / _SECOND
        yield _piece(
            'hearing',
            f'end of the last gap, of {gap:.1f} s, in which nobody was heard',
            spans[0].began / _SECOND,
            '',
        )


def _drivers(
    here: backend.Backend, row: 'db.services.Row'
) -> Iterator[dict[str, Any]]:
    member = sg_driver.Member.of(row)
    for judge in here.judges:
        if not judge.voice.detects:
            continue
        word = judge.voice.statement(member)
        source = judge.voice.name
        if judge is here.shadow:
            source, word = f'{source} (shadow)', word._replace(speaks_for='')
        yield _piece(source, word.says, 0.0, word.speaks_for)


def _verdict(
    row: 'db.services.Row', verdict: liveness.Verdict
) -> Iterator[dict[str, Any]]:
    if row['state_since'] is not None:
        turned, seen = row['state_since'], row['last_seen_up']
        age = liveness.seconds_between(turned, seen)
        yield _piece(
            'events',
            f'announced to be {row["state"]}',
            row['age'] / _SECOND + age,
            '',
        )
    yield _piece(
        'verdict', verdict.reason or 'all speak for it', None, verdict.liveness
    )


def _piece(
    source: str, says: str, age: float | None, speaks_for: str
) -> dict[str, Any]:
    return {
        'source': source,
        'says': says,
        'age': age,
        'speaks_for': speaks_for,
    }
