"""sgconductor-status upgrade check."""

import json
from typing import Any

from sgconductor import objects
from tests.functional import base
from tests.functional import commands

_NAMES = [
    'Schema',
    'Versions',
    'Dead services that hold a pin',
    'Members that do not follow',
    'Holds left behind',
]
SUCCESS, WARNING, FAILURE = 0, 1, 2


class StatusTest(commands.CommandTest):
    def check(self, *args: str, status: int = 0) -> str:
        return self.run_command(
            'sgconductor-status', 'upgrade', 'check', *args, status=status
        )

    def results(self, status: int) -> dict[str, tuple[int, str | None]]:
        """The checks' results by name."""
        output = json.loads(self.check('--json', status=status))
        self.assertEqual(_NAMES, [one['check'] for one in output['checks']])
        return {
            one['check']: (one['result'], one['details'])
            for one in output['checks']
        }


class TestStatus(StatusTest):
    scenarios = [base.ON_MARIADB, base.ON_POSTGRESQL]

    def test_all_checks_succeed(self) -> None:
        self.member('node1', version=2)
        self.member('node2', version=2)
        self.wait_until_followed()
        # Down for long, but it holds no pin.
        self.service('node3', 2, age=7200)
        output = self.check()
        self.assertEqual(5, output.count('Result: Success'), output)
        self.assertEqual(5, output.count('Details: None'), output)

    def test_each_check_warns(self) -> None:
        self.service('dead.rack12.example.org', 1, age=7200)
        self.service('old', 1)
        self.service('api', 3, binary='acme-api')
        self.member('new', version=2)
        self.wait_for('two followers', self.followed_twice)
        for binary, version in (('acme-api', 2), ('acme-worker', 7)):
            pin = objects.Pin.get_by_binary(self.context, binary)
            pin.hold(version)
        self.wait_for('two followers', self.followed_twice)
        found = self.results(status=WARNING)
        self.assertEqual((SUCCESS, None), found.pop('Schema'))
        self.assertEqual({WARNING}, {code for code, _ in found.values()})
        _, versions = found['Versions']
        self.assertEqual(
            'acme-worker: 2 of version 1, 1 of version 2; the pin is 1. To '
            'see what to do:\n'
            '  sgconductor-manage pins explain acme-worker',
            versions,
        )
        dead = str(found['Dead services that hold a pin'])
        self.assertIn(
            'dead.rack12.example.org: down, with version 1, and counted', dead
        )
        self.assertIn('  sgconductor-manage service delete dead.rack12.', dead)
        self.assertNotIn('old', dead)
        followers = str(found['Members that do not follow'])
        self.assertIn('2 of 4 live members do not follow', followers)
        self.assertIn('acme-worker on old, acme-api on api', followers)
        holds = str(found['Holds left behind'])
        self.assertIn('The pin of acme-api is held at 2, since 2', holds)
        self.assertIn('  sgconductor-manage pins release acme-api', holds)
        self.assertIn('it cannot exceed 7', holds)
        self.assertIn('  sgconductor-manage pins release acme-work', holds)

        table = self.check(status=WARNING)
        self.assertRegex(
            table,
            r'\|   sgconductor-manage service quarantine '
            r'dead.rack12.example.org acme-worker +\|',
        )

    def followed_twice(self) -> bool:
        """Whether the member that beats and the conductor follow."""
        newest = max(
            objects.PinList.get_all(self.context), key=lambda pin: pin.epoch
        )
        return bool(newest.following == 2)


class TestWithoutConductor(StatusTest):
    """The checks before the first conductor of a release is started."""

    scenarios = [base.ON_MARIADB]

    def execute(self, statement: str) -> None:
        with self.deployment.db.writer() as conn:
            conn.exec_driver_sql(statement)

    def all_but_the_schema(self, found: dict[str, Any]) -> set[Any]:
        return {found[name] for name in _NAMES[1:]}

    def test_the_tables_are_of_the_release_before(self) -> None:
        self.conductor.stop()
        self.execute("UPDATE alembic_version SET version_num='1_0001'")
        found = self.results(status=FAILURE)
        code, details = found['Schema']
        self.assertEqual(FAILURE, code)
        self.assertIn('Run: sgconductor-manage db sync', str(details))
        self.assertEqual(
            {(WARNING, 'Cannot be checked before the schema is current.')},
            self.all_but_the_schema(found),
        )

    def test_no_pin_is_stored_yet(self) -> None:
        self.service('old', 1)
        self.conductor.stop()
        self.execute('DELETE FROM pins')
        found = self.results(status=WARNING)
        self.assertEqual((SUCCESS, None), found['Schema'])
        self.assertEqual(
            {
                (
                    WARNING,
                    'Cannot be checked: no conductor of this release has run '
                    'yet.',
                )
            },
            self.all_but_the_schema(found),
        )

    def cannot_check(self, **overrides: Any) -> str:
        """The one line that is printed when the checks cannot run."""
        self.config = self.deployment.config_file(**overrides)
        output = self.check(status=255)
        self.assertEqual(1, len(output.splitlines()), output)
        return output

    def test_the_database_cannot_be_reached(self) -> None:
        output = self.cannot_check(
            database__connection='mysql+pymysql://u:secret@127.0.0.1:1/sg'
        )
        self.assertIn('database at mysql+pymysql://u:***@127.0.0.1:1/', output)

    def test_no_database_is_configured(self) -> None:
        output = self.cannot_check(database__connection='')
        self.assertIn('no [database] connection is set', output)
