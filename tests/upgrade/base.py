"""The base of tests with the release before this one."""

import os
from typing import Any

from testtools import content

from sgconductor import app
from sgconductor import context as sg_context
from sgconductor import objects
from tests import program
from tests import release
from tests.functional import base

ON_MARIADB = base.ON_MARIADB
ON_POSTGRESQL = base.ON_POSTGRESQL


class UpgradeTest(base.DeploymentTest):
    """A deployment in which programs of two releases can run."""

    scenarios = [ON_MARIADB, ON_POSTGRESQL]
    remote: app.Remote

    def setUp(self) -> None:
        super().setUp()
        self.remote = self.deployment.remote(timeout=20)

    @property
    def context(self) -> sg_context.RequestContext:
        """A new context of a caller of this release."""
        return self.remote.context()

    def start(
        self, *args: str, old: bool = False, **more: Any
    ) -> program.Program:
        """A started program, of this release or of the one before."""
        if old:
            # PYTHONPATH leads to the modules of this release.
            env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
            more |= {'bin_': release.PREVIOUS.bin, 'env': env}
        started = self.useFixture(program.Program(*args, **more))
        self.addOnException(
            lambda _: self.addDetail(
                f'{"old" if old else "new"} {args[0]}',
                content.text_content(started.output),
            )
        )
        return started

    def lines(self, started: program.Program) -> list[str]:
        """The output of a program, without the warnings of its libraries."""
        # The broker cancels the consumers of a queue that is deleted, and
        # may do so while the channel closes.
        return [
            line
            for line in started.output.splitlines()
            if 'during closing channel' not in line
        ]

    def manage(self, *args: str, old: bool = False, status: int = 0) -> str:
        """The output of sgconductor-manage of a release."""
        path = self.deployment.config_file()
        run = self.start(
            'sgconductor-manage', '--config-file', path, *args, old=old
        )
        self.assertEqual(status, run.wait(), run.output)
        self.assertNotIn('Traceback', run.output)
        return run.output

    def old_conductor(self, **overrides: Any) -> program.Program:
        """A conductor of the release before, ready."""
        path = self.deployment.config_file(
            conductor__workers=1, conductor__host='old', **overrides
        )
        daemon = self.start(
            'sgconductor-conductor', '--config-file', path, old=True
        )
        self.wait_for('the worker', lambda: 'worker is ready' in daemon.output)
        return daemon

    def old_member(self, host: str) -> program.Program:
        """An acme-worker of the release before, of version 1, that has
        joined.
        """
        script = release.PREVIOUS.source / 'tests/functional/member_process.py'
        path = self.deployment.config_file()
        member = self.start('python', str(script), path, host, old=True)
        self.wait_for('the join', lambda: 'joined' in member.output)
        return member

    def get_service(
        self, host: str, binary: str = 'acme-worker'
    ) -> objects.Service:
        """A service, as a caller of this release sees it."""
        return objects.Service.get_by_host_and_binary(
            self.context, host, binary
        )

    def pin(self, binary: str = 'acme-worker') -> objects.Pin:
        """A pin, as a caller of this release sees it."""
        return objects.Pin.get_by_binary(self.context, binary)

    def wait_for_beats(
        self, host: str, more: int = 2, binary: str = 'acme-worker'
    ) -> None:
        """Wait until that many more beats of a service are counted."""
        goal = self.get_service(host, binary).report_count + more
        self.wait_for(
            f'beats of {host}',
            lambda: self.get_service(host, binary).report_count >= goal,
        )

    def wait_for_followers(self, binary: str = 'acme-worker') -> None:
        """Wait until all live members go by a pin."""

        def follow() -> bool:
            pin = self.pin(binary)
            return pin.following == pin.live

        self.wait_for('the members to follow', follow)
