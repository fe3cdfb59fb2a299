"""The one statement that writes a batch of beats.

The batch is a single JSON bind, joined to the table by integer id, so the
statement's text never changes: SQLAlchemy compiles it once for any size, and
it is the fastest of the one-statement shapes on all three databases.

Three things are deliberate.  On MariaDB the batch drives the join (LEFT JOIN
from it), because the optimizer otherwise scans the table when its row
estimate is off.  On PostgreSQL the batch is a function scan and no UNION:
under concurrency an UPDATE FROM a UNION silently skips rows.  And the bind
carries beats sorted by id, so that two writers cannot deadlock.
"""

import sqlalchemy as sa

_MARIADB = sa.text("""
UPDATE JSON_TABLE(:batch, '$[*]' COLUMNS (
    id INT PATH '$[0]',
    incarnation INT PATH '$[1]',
    stamp DATETIME(6) PATH '$[2]',
    beats INT PATH '$[3]',
    epoch BIGINT PATH '$[4]')) AS b
LEFT JOIN services
    ON services.id = b.id
    AND services.incarnation = b.incarnation
    AND services.deleted = 0
SET services.report_count = services.report_count + b.beats,
    services.last_seen_up = GREATEST(
        services.last_seen_up, LEAST(b.stamp, UTC_TIMESTAMP(6))),
    services.pin_epoch = GREATEST(services.pin_epoch, b.epoch)
""")

_POSTGRESQL = sa.text("""
UPDATE services
SET report_count = services.report_count + b.beats,
    last_seen_up = GREATEST(
        services.last_seen_up, LEAST(b.stamp, statement_timestamp())),
    pin_epoch = GREATEST(services.pin_epoch, b.epoch)
FROM (
    SELECT (line->>0)::int AS id,
           (line->>1)::int AS incarnation,
           ((line->>2) || '+00')::timestamptz AS stamp,
           (line->>3)::int AS beats,
           (line->>4)::bigint AS epoch
    FROM json_array_elements(CAST(:batch AS json)) AS line) AS b
WHERE services.id = b.id
    AND services.incarnation = b.incarnation
    AND services.deleted = 0
""")

_SQLITE = sa.text("""
UPDATE services
SET report_count = services.report_count + b.beats,
    last_seen_up = max(
        services.last_seen_up,
        min(b.stamp, strftime('%Y-%m-%d %H:%M:%f000', 'now'))),
    pin_epoch = max(services.pin_epoch, b.epoch)
FROM (
    SELECT json_extract(value, '$[0]') AS id,
           json_extract(value, '$[1]') AS incarnation,
           json_extract(value, '$[2]') AS stamp,
           json_extract(value, '$[3]') AS beats,
           json_extract(value, '$[4]') AS epoch
    FROM json_each(:batch)) AS b
WHERE services.id = b.id
    AND services.incarnation = b.incarnation
    AND services.deleted = 0
""")


def update(dialect: str) -> sa.TextClause:
    """The statement in a dialect, with the one bind ``batch``.

    :param dialect: a SQLAlchemy dialect's name
    """
    return {
        'mysql': _MARIADB,
        'mariadb': _MARIADB,
        'postgresql': _POSTGRESQL,
        'sqlite': _SQLITE,
    }[dialect]
