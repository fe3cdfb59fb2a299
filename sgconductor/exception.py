"""Every error sgconductor raises on purpose.

::

    SGConductorError
    ├── ConfigError            the configuration cannot work
    ├── InvalidInput           a caller sent a value that is not valid
    │   ├── ReadOnlyField      … for a field that this call may not change
    │   └── UnknownField       … for a field this conductor does not know
    ├── NotRemotable           no such remote method
    ├── ServiceNotFound        no such service
    ├── UnknownBinary          no service of that binary has ever joined
    ├── ServiceTooOld          a join that the pin does not allow
    ├── ServiceIsUp            a quarantine of a service that is up
    ├── StateConflict          a change that conflicts with the state
    ├── ServiceChanged         the service was edited or joined meanwhile
    ├── NoBackend              conductor-only code was run elsewhere
    ├── MembershipLost         the conductor no longer counts this process
    ├── Unreachable            a server did not answer
    │   ├── BrokerUnreachable
    │   ├── ConductorUnreachable
    │   ├── DatabaseBusy       a write that others were always in the way of
    │   ├── DatabaseUnreachable
    │   └── DriverUnreachable
    ├── SchemaMismatch         the database has another release's tables
    │   ├── SchemaTooOld
    │   └── SchemaTooNew
    └── UnexpectedFailure      a bug in the conductor, seen from outside

``args`` are the constructor's arguments, all plain JSON values, so that an
error crosses the message bus and is built again on the other side; ``str()``
is the sentence for people.
"""

from collections.abc import Sequence

# How many names a message lists.
_MOST_NAMED = 20


class SGConductorError(Exception):
    """The root; never raised itself."""

    message = 'sgconductor failed.'

    def __str__(self) -> str:
        return self.message


class ConfigError(SGConductorError):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.message = f'Configuration error: {problem}'


class InvalidInput(SGConductorError):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.message = f'Invalid input: {problem}'


class ReadOnlyField(InvalidInput):
    def __init__(
        self, method: str, names: Sequence[str], may: Sequence[str]
    ) -> None:
        super().__init__(
            f'{method} cannot change {", ".join(names)}; it can change '
            f'{", ".join(may)}.'
        )
        self.args = (method, list(names), list(may))


class UnknownField(InvalidInput):
    def __init__(
        self, objname: str, theirs: str, ours: str, names: Sequence[str]
    ) -> None:
        super().__init__(
            f'{objname} {theirs} sets {", ".join(names)}, which this '
            f'conductor ({objname} {ours}) does not know and would lose. '
            f'Upgrade the conductors first, or leave it unset.'
        )
        self.args = (objname, theirs, ours, list(names))


class NotRemotable(SGConductorError):
    def __init__(self, objname: str, method: str) -> None:
        super().__init__(objname, method)
        self.message = (
            f'{objname}.{method} is not a remote method of this conductor. If '
            f'it is one of a later release, upgrade the conductors first.'
        )


class ServiceNotFound(SGConductorError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.message = f'Service {key} was not found.'


class UnknownBinary(SGConductorError):
    def __init__(self, binary: str, known: Sequence[str]) -> None:
        super().__init__(binary, list(known[:_MOST_NAMED]))
        named = ', '.join(self.args[1]) or 'none yet'
        more = ', …' if len(known) > _MOST_NAMED else ''
        self.message = (
            f'No service of binary {binary!r} has ever joined, so it has no '
            f'pin. Known: {named}{more}.'
        )


class ServiceTooOld(SGConductorError):
    """A service's version is below the pin, which others speak to it.

    :param held: the version at which the pin is held; None for no hold
    :param following: how many of the live members follow that hold
    :param live: how many live members there are
    """

    def __init__(
        self,
        host: str,
        binary: str,
        version: int,
        pin: int,
        held: int | None = None,
        following: int = 0,
        live: int = 0,
    ) -> None:
        super().__init__(host, binary, version, pin, held, following, live)
        if held is None or held > version:
            what = (
                f'the pin is {pin}, so others may call it in a way that it '
                f'does not know. Upgrade it; or, to go back to that version, '
                f'first run: sgconductor-manage pins hold {binary} {version}'
            )
        else:
            what = (
                f'only {following} of {live} members follow the hold at '
                f'{held} yet, which admits it. Start it when all do: '
                f'sgconductor-manage pins wait {binary} {held}'
            )
        self.message = (
            f'{binary} on {host} has version {version} and is not admitted: '
            f'{what}. To see what decides: sgconductor-manage pins '
            f'explain {binary}'
        )


class ServiceIsUp(SGConductorError):
    def __init__(self, host: str, binary: str) -> None:
        super().__init__(host, binary)
        self.message = (
            f'{binary} on {host} is up. Only a down service can be '
            f'quarantined; clients could otherwise call it with RPC versions '
            f'that it does not understand. Stop it first, or, if its host is '
            f'fenced, force it down.'
        )


class StateConflict(SGConductorError):
    """A change conflicts with the current state of what it is for."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.message = problem


class ServiceChanged(SGConductorError):
    def __init__(self, host: str, binary: str) -> None:
        super().__init__(host, binary)
        self.message = (
            f'{binary} on {host} was edited, or joined again, since it was '
            f'read. Read it again, and repeat the change if it is still '
            f'wanted.'
        )


class NoBackend(SGConductorError):
    message = (
        'This context has no database: only a conductor has one. Call the '
        'method through the object, and a conductor will run it.'
    )


class MembershipLost(SGConductorError):
    """The conductor no longer counts this process as a member.

    :ivar word: 'superseded' (the same host and binary joined again),
        'deleted', 'too old' (the conductor refused it when it joined again),
        or 'left' (this process left before its join was done)
    """

    def __init__(self, host: str, binary: str, word: str) -> None:
        super().__init__(host, binary, word)
        self.word = word
        why = {
            'superseded': 'a newer process joined under the same host and '
            'binary; stop one of the two',
            'deleted': 'its service was deleted; restart it to join again',
            'too old': 'the conductor refused to let it join again; the '
            'reason is logged above',
            'left': 'it was told to leave while it was joining',
        }.get(word, word)
        self.message = f'{binary} on {host} is no longer a member: {why}.'


class Unreachable(SGConductorError):
    """A server did not answer; trying again later may help."""


class BrokerUnreachable(Unreachable):
    def __init__(self, broker: str, why: str) -> None:
        super().__init__(broker, why)
        self.message = (
            f'The message broker at {broker} cannot be reached: {why}. '
            f'Check that it runs, and transport_url.'
        )


class ConductorUnreachable(Unreachable):
    def __init__(self, topic: str, seconds: float) -> None:
        super().__init__(topic, seconds)
        self.message = (
            f'No conductor answered on topic {topic!r} within {seconds:g} s. '
            f'Check that the broker answers, that sgconductor-conductor runs '
            f'and uses the same transport_url, and that it can write to its '
            f'database: otherwise it takes no calls.'
        )


class DatabaseUnreachable(Unreachable):
    def __init__(self, database: str, why: str) -> None:
        super().__init__(database, why)
        self.message = (
            f'The database at {database} cannot be reached, or does not do '
            f'what it should: {why}. Check that it runs, and [database] '
            f'connection.'
        )


class DatabaseBusy(Unreachable):
    """A change that conflicted with those of others until its time was up.

    :param attempts: how often it was tried
    :param seconds: for how long
    :param why: the last conflict
    """

    def __init__(
        self, database: str, attempts: int, seconds: float, why: str
    ) -> None:
        super().__init__(database, attempts, seconds, why)
        self.message = (
            f'The database at {database} is busy, and nothing was changed: '
            f'gave up after {attempts} attempts in {seconds:.1f} s, because '
            f'of conflicts with other writers ({why}). Try again later. If '
            f'it happens often and the database is a cluster, have all '
            f'conductors write to the same node.'
        )


class DriverUnreachable(Unreachable):
    """
    :param driver: its name, as 'zookeeper'
    :param where: its servers
    """

    def __init__(self, driver: str, where: str, why: str) -> None:
        super().__init__(driver, where, why)
        self.message = (
            f'The {driver} of the servicegroup driver, at {where}, cannot be '
            f'reached: {why}. Until it can, the services table decides '
            f'alone. Check that it runs, and [servicegroup_{driver}].'
        )


class SchemaMismatch(SGConductorError):
    """The tables are not those of this release."""


class SchemaTooOld(SchemaMismatch):
    def __init__(self, found: str | None, wanted: str) -> None:
        super().__init__(found, wanted)
        self.message = (
            f'The database is at schema {found or "(none)"}, this release '
            f'needs {wanted}. Run: sgconductor-manage db sync'
        )


class SchemaTooNew(SchemaMismatch):
    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found, wanted)
        self.message = (
            f'The database is at schema {found}, which this release (schema '
            f'{wanted}) does not know: a newer release has synced it. '
            f'Upgrade sgconductor here; "sgconductor-manage db version" '
            f'shows both.'
        )


class UnexpectedFailure(SGConductorError):
    def __init__(self, request_id: str) -> None:
        super().__init__(request_id)
        self.message = (
            f'The conductor failed unexpectedly; its log has the details '
            f'under {request_id}.'
        )
