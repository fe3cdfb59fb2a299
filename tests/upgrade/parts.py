"""The parts of the drill, and how their processes are run."""

import os
import pathlib
from collections.abc import Sequence

from tests import deployment
from tests import program
from tests.upgrade import fleet

_ROOT = pathlib.Path(__file__).parents[2]

# Clients call without a pause, and must not slow down what starts.
_AFTER_OTHERS = ('nice', '-n', '10')


class Parts:
    """The parts of a deployment, none of which runs yet.

    Release 2 is this release of sgconductor for conductors, and release 2 of
    acme for workers and clients.

    :param journals: a directory for the journals of workers and clients
    :param old_conductor: the directory with the programs of the conductors'
        release 1; None if that is this release too
    """

    def __init__(
        self,
        place: deployment.Deployment,
        journals: pathlib.Path,
        old_conductor: pathlib.Path | None,
    ) -> None:
        self._place = place
        self._journals = journals
        self._old_conductor = old_conductor
        # Conductors announce new pins at once. With frequent syncs, a lost
        # announcement would not show.
        self._config = place.config_file(servicegroup__sync_interval=3600)

    def manage(self, release: int, *args: str) -> program.Program:
        """A run of ``sgconductor-manage`` of a release of conductors."""
        return self._sgconductor(
            release, 'sgconductor-manage', self._config, *args
        )

    def conductors(self, count: int) -> Sequence[fleet.Part]:
        return [self._conductor(f'conductor{i + 1}') for i in range(count)]

    def workers(self, count: int) -> Sequence[fleet.Part]:
        return [
            self._member('worker_process', f'node{i + 1}')
            for i in range(count)
        ]

    def clients(self, count: int, pause: float) -> Sequence[fleet.Part]:
        """
        :param pause: seconds from the end of one call to the next one
        """
        return [
            self._member(
                'client_process',
                f'client{i + 1}',
                str(pause),
                prefix=_AFTER_OTHERS,
            )
            for i in range(count)
        ]

    def _conductor(self, name: str) -> fleet.Part:
        config = self._place.config_file(conductor__host=name)
        return fleet.Part(
            name,
            lambda release: self._sgconductor(
                release, 'sgconductor-conductor', config
            ),
            lambda one: 'worker is ready' in one.output,
        )

    def _sgconductor(
        self, release: int, name: str, config: str, *args: str
    ) -> program.Program:
        command = (name, '--config-file', config, *args)
        if release == 1 and self._old_conductor is not None:
            return program.Program(*command, bin_=self._old_conductor)
        return program.Program(*command)

    def _member(
        self, module: str, name: str, *more: str, prefix: Sequence[str] = ()
    ) -> fleet.Part:
        def start(release: int) -> program.Program:
            acme = _ROOT / 'examples' / 'acme' / f'release{release}'
            return program.Program(
                'python',
                '-m',
                f'tests.upgrade.{module}',
                self._config,
                name,
                str(self._journals / name),
                *more,
                prefix=prefix,
                env={**os.environ, 'PYTHONPATH': f'{acme}:{_ROOT}'},
            )

        return fleet.Part(name, start, lambda one: 'Joined as' in one.output)
