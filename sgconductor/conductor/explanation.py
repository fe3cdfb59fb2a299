"""The explanation of a verdict: its evidence, piece by piece."""

from collections.abc import Iterator
from typing import Any

from sgconductor.conductor import judges
from sgconductor.conductor import liveness
from sgconductor.db import clock
from sgconductor.db import database
from sgconductor.db import reception
from sgconductor.db import services
from sgconductor.servicegroup import driver as sg_driver

_SECOND = 1_000_000


def explain(
    db: database.Database,
    judges: judges.Judges,
    row: services.Row,
    verdict: liveness.Verdict,
) -> list[dict[str, Any]]:
    """See :meth:`sgconductor.objects.Service.explain`."""
    return [
        *_orders(row),
        *_table(row, reception.read_windows(db)),
        *_drivers(judges, row),
        *_verdict(row, verdict),
    ]


def _orders(row: services.Row) -> Iterator[dict[str, Any]]:
    ordered = liveness.by_order(row)
    if ordered is not None:
        yield _piece('services table', ordered.reason, None, 'down')


def _table(
    row: services.Row, windows: list[reception.Window]
) -> Iterator[dict[str, Any]]:
    seconds = row['age'] / _SECOND
    silent = liveness.silence(row['age'], windows, row['down_after']) / _SECOND
    old = liveness.where_clock_went_back(row)
    if seconds > row['down_after']:
        speaks_for = 'down' if silent > row['down_after'] else 'unknown'
    elif old is not None:
        speaks_for = old.liveness
    else:
        speaks_for = 'up'
    yield _piece(
        'services table',
        f'last beat of incarnation {row["incarnation"]}; allowed '
        f'{row["down_after"]} s, it beats each {row["report_interval"]} s',
        _past(seconds),
        speaks_for,
    )
    if old is not None:
        yield _piece('services table', old.reason, None, old.liveness)
    ended = windows[0].ended
    yield _piece(
        'reception',
        'newest beat of any member',
        # A beat from the future proves no reception.
        None if ended == reception.EVER else ended / _SECOND,
        '',
    )
    if len(windows) > 1:
        outage = (windows[1].ended - windows[0].began) / _SECOND
        yield _piece(
            'reception',
            f'end of the last outage, of {outage:.1f} s, in which no beats '
            f'were received',
            windows[0].began / _SECOND,
            '',
        )


def _drivers(
    judges: judges.Judges, row: services.Row
) -> Iterator[dict[str, Any]]:
    member = sg_driver.Member.of(row)
    for judge in judges.all:
        driver = judge.driver
        if not driver.detects:
            continue
        statement = driver.statement(member)
        if judge is judges.shadow:
            yield _piece(f'{driver.name} (shadow)', statement.says, 0.0, '')
        else:
            yield _piece(
                driver.name, statement.says, 0.0, statement.speaks_for
            )


def _verdict(
    row: services.Row, verdict: liveness.Verdict
) -> Iterator[dict[str, Any]]:
    since = row['state_since']
    if since is not None:
        age = liveness.seconds_between(since, row['last_seen_up'])
        yield _piece(
            'events',
            f'announced to be {row["state"]}',
            _past(row['age'] / _SECOND + age),
            '',
        )
    yield _piece(
        'verdict',
        verdict.reason or 'no evidence against it',
        None,
        verdict.liveness,
    )


def _past(age: float) -> float | None:
    """An age, unless it is that of a moment from the future."""
    return None if age < -clock.TOLERANCE / _SECOND else max(0.0, age)


def _piece(
    source: str, says: str, age: float | None, speaks_for: str
) -> dict[str, Any]:
    return {
        'source': source,
        'says': says,
        'age': age,
        'speaks_for': speaks_for,
    }
