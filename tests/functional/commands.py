"""The base of the tests of the operator's commands."""

from typing import Any

from oslo_utils import uuidutils
from testtools import content

from sgconductor import objects
from tests import program
from tests.functional import base


class CommandTest(base.ConductorTest):
    """Runs commands as processes, against a conductor in this process."""

    scenarios = [base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        self.config = self.deployment.config_file()

    def start(self, *args: str) -> program.Program:
        """Start a command, whose output is shown if the test fails."""
        command = self.useFixture(
            program.Program(args[0], '--config-file', self.config, *args[1:])
        )
        self.addOnException(
            lambda _: self.addDetail(
                ' '.join(args), content.text_content(command.output)
            )
        )
        return command

    def run_command(self, *args: str, status: int = 0) -> str:
        """Run a command to its end, and return its output."""
        command = self.start(*args)
        self.assertEqual(status, command.wait(), command.output)
        self.assertNotIn('Traceback', command.output)
        return command.output

    def manage(self, *args: str, status: int = 0) -> str:
        """Run sgconductor-manage, and return its output."""
        return self.run_command('sgconductor-manage', *args, status=status)

    def error(self, *args: str, status: int = 1) -> str:
        """Run sgconductor-manage, which fails with one line; return that."""
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
        """A service that has joined, without a process that sends beats.

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
        """Hold the pin of acme-worker, and wait until members follow it."""
        pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
        pin.hold(version)
        self.wait_until_followed()
        return pin

    def wait_until_followed(self) -> None:
        """Wait until all live members follow the pin of acme-worker."""

        def followed() -> bool:
            pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
            return pin.following == pin.live

        self.wait_for('all live members to follow the pin', followed)
