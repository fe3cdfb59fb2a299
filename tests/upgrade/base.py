"""The base of tests with the release before."""

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
        """A new caller's context, of this release."""
        return self.remote.context()

    def start(
        self, *args: str, old: bool = False, **more: Any
    ) -> program.Program:
        """A started program, of this release or of the one before."""
        if old:
            # What this one's python is shown is not for the other's.
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

    def manage(self, *args: str, old: bool = False, status: int = 0) -> str:
        """What a release's sgconductor-manage prints."""
        path = self.deployment.config_file()
        run = self.start(
            'sgconductor-manage', '--config-file', path, *args, old=old
        )
        self.assertEqual(status, run.wait(), run.output)
        self.assertNotIn('Traceback', run.output)
        return run.output

    def old_conductor(self, **overrides: Any) -> program.Program:
        """The daemon of the release before, ready."""
        path = self.deployment.config_file(
            conductor__workers=1, conductor__host='old', **overrides
        )
        daemon = self.start(
            'sgconductor-conductor', '--config-file', path, old=True
        )
        self.wait_for('the worker', lambda: 'worker is ready' in daemon.output)
        return daemon

    def old_member(self, host: str) -> program.Program:
        """An acme-worker of the release before, with version 1, joined.

        It is what that release tested its own conductor with.
        """
        script = release.PREVIOUS.source / 'tests/functional/member_process.py'
        path = self.deployment.config_file()
        member = self.start('python', str(script), path, host, old=True)
        self.wait_for('the join', lambda: 'joined' in member.output)
        return member

    def look(self, host: str, binary: str = 'acme-worker') -> objects.Service:
        """A service, as a caller of this release sees it."""
        return objects.Service.get_by_host_and_binary(
            self.context, host, binary
        )

    def wait_for_beats(
        self, host: str, more: int = 2, binary: str = 'acme-worker'
    ) -> None:
        """Wait until so many more beats of a service were counted."""
        goal = self.look(host, binary).report_count + more
        self.wait_for(
            f'beats of {host}',
            lambda: self.look(host, binary).report_count >= goal,
        )
