"""The base of the tests of the operator's commands."""

from typing import Any

from oslo_utils import uuidutils
from testtools import content

from sgconductor import objects
from tests import program
from tests.functional import base


class CommandTest(base.ConductorTest):
    """Runs commands as real programs against a conductor in this process."""

    scenarios = [base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        self.config = self.deployment.config_file()

    def start(self, *args: str) -> program.Program:
        """Start a command."""
        started = self.useFixture(
            program.Program(args[0], '--config-file', self.config, *args[1:])
        )
        self.addOnException(
            lambda _: self.addDetail(
                ' '.join(args), content.text_content(started.output)
            )
        )
        return started

    def run_command(self, *args: str, status: int = 0) -> str:
        """Run a command, and return what it prints."""
        started = self.start(*args)
        self.assertEqual(status, started.wait(), started.output)
        self.assertNotIn('Traceback', started.output)
        return started.output

    def manage(self, *args: str, status: int = 0) -> str:
        return self.run_command('sgconductor-manage', *args, status=status)

    def error(self, *args: str, status: int = 1) -> str:
        """The one line that sgconductor-manage prints for a mistake."""
        output = self.manage(*args, status=status)
        self.assertEqual(1, len(output.splitlines()), output)
        return output

    def service(
        self,
        host: str,
        version: int,
        binary: str = 'acme-worker',
        age: float = 0,
        **more: Any,
    ) -> objects.Service:
        """A service that has joined, without a process that beats.

        :param age: seconds since its last beat
        """
        values = {'report_interval': 10, 'down_after': 60, **more}
        service = objects.Service(
            self.context,
            host=host,
            binary=binary,
            topic='worker',
            version=version,
            **values,
        )
        service.join(uuidutils.generate_uuid())
        if age:
            self.deployment.age(service.id, age)
        return service

    def hold(self, version: int) -> objects.Pin:
        """Hold the pin of acme-worker, and wait until all members follow."""
        pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
        pin.hold(version)
        self.wait_until_followed()
        return pin

    def wait_until_followed(self) -> None:
        def followed() -> bool:
            pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
            return pin.following == pin.live

        self.wait_for('followers', followed)
