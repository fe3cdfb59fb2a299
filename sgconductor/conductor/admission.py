"""Admission: whether a service may count for its pin."""

import sqlalchemy as sa

from sgconductor import exception
from sgconductor.db import pins
from sgconductor.db import reception


def admit(
    conn: sa.Connection,
    pin: pins.Row | None,
    host: str,
    binary: str,
    version: int,
) -> None:
    """Let a service count from here on, or refuse it.

    Others may already call a service in a way that it does not know, if it
    is older than all services of its binary. It is admitted all the same if
    the pin is held at or below its version *and* every live member has
    confirmed that it follows that hold.

    :param pin: of the binary; None if it has none yet
    :raises ServiceTooOld: naming the pin, and what to do
    """
    if pin is None or version >= pin['min_version']:
        return
    held = pin['held_version']
    if held is None or held > version:
        raise exception.ServiceTooOld(
            host, binary, version, pin['version'], held
        )
    # A process that joins replaces the one before it.
    epochs = pins.count_by_epoch(
        conn, reception.windows(conn), but=(host, binary)
    )
    following, live = pins.count_confirmed(epochs, pin['epoch'])
    if following < live:
        raise exception.ServiceTooOld(
            host, binary, version, pin['version'], held, following, live
        )
