"""sgconductor-status: checks for what stands in the way of an upgrade.

It reads the database, like ``sgconductor-manage db``, and asks no conductor,
so that it works before the first conductor of a release is started.
"""

import datetime
import logging
import sys
import textwrap
import traceback
from collections.abc import Callable
from collections.abc import Sequence

from oslo_upgradecheck import upgradecheck

from sgconductor import exception
from sgconductor import objects
from sgconductor.app import local as local_app
from sgconductor.cmd import advice
from sgconductor.cmd import configuration

# A service that is down for longer is reported.
_LONG_DOWN = datetime.timedelta(hours=1)
_WIDTH = 60
_INDENT = '  '
# The exit status if the checks cannot run; 0, 1 and 2 are their results.
_CANNOT_CHECK = 255


class Pins:
    """The pins in a database, and the services that decide them.

    :param local: the database, with the tables of this release
    """

    def __init__(self, local: local_app.Local) -> None:
        self._local = local
        self._context = local.context()
        self.all: Sequence[objects.Pin] = objects.PinList.get_all(
            self._context
        ).objects

    @property
    def stored(self) -> bool:
        """Whether a conductor has written the pins of the services yet."""
        return bool(
            self.all or not objects.ServiceList.get_page(self._context, 1)
        )

    @property
    def mixed(self) -> list[objects.Pin]:
        """The pins of binaries with services of several versions."""
        return [pin for pin in self.all if len(pin.services) > 1]

    def dead(self, pin: objects.Pin) -> list[objects.Service]:
        """The services of the lowest version that are down for long."""
        oldest = objects.ServiceList.get_oldest(self._context, pin.binary)
        then = self._local.now() - _LONG_DOWN
        return [s for s in oldest if not s.is_up and s.last_seen_up < then]

    def lagging(self, epoch: int) -> list[objects.Service]:
        """Live members that follow older pins than those of an epoch."""
        found = objects.ServiceList.get_lagging(self._context, epoch)
        return list(found)


def _versions(pins: Pins) -> list[advice.Advice]:
    return [
        advice.Advice(
            f'{pin.binary}: '
            + ', '.join(
                f'{pin.services[version]} of version {version}'
                for version in sorted(pin.services, key=int)
            )
            + f'; the pin is {pin.version}. To see what to do:',
            (f'sgconductor-manage pins explain {pin.binary}',),
        )
        for pin in pins.mixed
    ]


def _dead(pins: Pins) -> list[advice.Advice]:
    found = [pins.dead(pin) for pin in pins.mixed]
    return [advice.for_down(services) for services in found if services]


def _followers(pins: Pins) -> list[advice.Advice]:
    newest = max(pins.all, key=lambda pin: pin.epoch, default=None)
    if newest is None or newest.following == newest.live:
        return []
    lagging = pins.lagging(newest.epoch)
    count = newest.live - newest.following
    return [
        advice.Advice(
            f'{count} of {newest.live} live members do not follow the pins '
            f'of epoch {newest.epoch}: {advice.members(lagging, count)}. If '
            f'they still do not in a minute, find out why:',
            (f'sgconductor-manage pins explain {newest.binary}',),
        )
    ]


def _holds(pins: Pins) -> list[advice.Advice]:
    return [each for pin in pins.all for each in advice.for_hold(pin)]


class Checks(upgradecheck.UpgradeCommands):
    """The checks of ``sgconductor-status upgrade check``.

    :ivar local: the database; set when the command line is parsed
    """

    local: local_app.Local

    def check(self) -> upgradecheck.Code:
        self._pins: Pins | None = None
        return super().check()

    def _schema(self) -> upgradecheck.Result:
        try:
            self.local.check()
        except exception.SchemaMismatch as error:
            return upgradecheck.Result(upgradecheck.Code.FAILURE, str(error))
        self._pins = Pins(self.local)
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    def _warn(
        self, find: Callable[[Pins], list[advice.Advice]]
    ) -> upgradecheck.Result:
        if self._pins is None:
            return _warning('Cannot be checked before the schema is current.')
        if not self._pins.stored:
            return _warning(
                'Cannot be checked: no conductor of this release has run yet.'
            )
        found = find(self._pins)
        if not found:
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        return _warning(
            '\n'.join(
                line
                for each in found
                for line in (each.text, *(_INDENT + c for c in each.run))
            )
        )

    def _get_details(
        self, upgrade_check_result: upgradecheck.Result
    ) -> str | None:
        # The library would wrap all of it into one paragraph.
        if upgrade_check_result.details is None:
            return None
        lines = upgrade_check_result.details.splitlines()
        return '\n'.join(_wrapped(line) for line in lines)

    _upgrade_checks = (
        ('Schema', _schema),
        ('Versions', (_warn, {'find': _versions})),
        ('Dead services that hold a pin', (_warn, {'find': _dead})),
        ('Members that do not follow', (_warn, {'find': _followers})),
        ('Holds left behind', (_warn, {'find': _holds})),
    )


def main(argv: Sequence[str] | None = None) -> int:
    # An error is reported in one line; the libraries would add theirs.
    for name in ('alembic', 'oslo_db', 'stevedore'):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    checks = Checks()
    try:
        conf = configuration.read(
            'sgconductor-status',
            argv,
            lambda conf: upgradecheck.register_cli_options(conf, checks),
        )
        # The library reads --json from there.
        upgradecheck.CONF = conf
        with local_app.Local(conf) as checks.local:
            return int(conf.command.action_fn())
    except exception.SGConductorError as error:
        print(f'sgconductor-status: {error}', file=sys.stderr)
    except Exception:
        # Python would exit with 1, which stands for a warning.
        traceback.print_exc()
    return _CANNOT_CHECK


def _warning(details: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.WARNING, details)


def _wrapped(line: str) -> str:
    if line.startswith(_INDENT):
        # Not wrapped, so that the command can be copied.
        return line
    return textwrap.fill(line, _WIDTH, break_on_hyphens=False)
