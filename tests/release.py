"""Another release of this project, as it was, in its own environment.

It comes out of the history of this clone. It is kept between runs, because it
takes a minute to make.
"""

import contextlib
import fcntl
import functools
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

__all__ = ['PREVIOUS', 'Release', 'ReleaseError']

_CLONE = pathlib.Path(__file__).parent.parent
_KEPT = _CLONE / '.releases'


class ReleaseError(Exception):
    """The release cannot be made here; the message says what to do."""


class Release:
    """A release, by its commit. It is made at its first use.

    :param commit: all 40 digits
    :param place: the directory for this and other releases
    """

    def __init__(self, commit: str, place: pathlib.Path = _KEPT) -> None:
        self.commit = commit
        self._place = place
        self._home = place / commit
        self._stamp = self._home / 'stamp'

    @property
    def bin(self) -> pathlib.Path:
        """The directory of its programs, and of its ``python``.

        :raises ReleaseError:
        """
        return self._made / 'venv' / 'bin'

    @property
    def source(self) -> pathlib.Path:
        """The directory of its source, with its tests and examples.

        :raises ReleaseError:
        """
        return self._made / 'source'

    def prepare(self) -> None:
        """Make it now, unless it exists.

        :raises ReleaseError:
        """
        _ = self._made

    @functools.cached_property
    def _made(self) -> pathlib.Path:
        # The workers of the test run are processes; one makes it for all.
        with self._locked():
            if not self._is_complete():
                self._make()
        return self._home

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._place.mkdir(exist_ok=True)
        with (self._place / f'{self.commit}.lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _is_complete(self) -> bool:
        try:
            return self._stamp.read_text() == self._made_for()
        except FileNotFoundError:
            return False

    def _made_for(self) -> str:
        """Where and for which Python: an environment cannot be moved."""
        return f'{self._home}\n{sys.version}\n'

    def _make(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        source = self._home / 'source'
        venv = self._home / 'venv'
        source.mkdir(parents=True)
        _run('tar', '-x', '-C', str(source), given=self._archive())
        # To install pip there takes longer than all the rest.
        _run(sys.executable, '-m', 'venv', '--without-pip', str(venv))
        _run(
            *(sys.executable, '-m', 'pip', '--python', str(venv), 'install'),
            *('--disable-pip-version-check', '-qq'),
            *('-c', str(source / 'constraints.txt'), str(source)),
        )
        # Last, because it marks the environment as complete.
        self._stamp.write_text(self._made_for())

    def _archive(self) -> bytes:
        archive = ('git', 'archive', '--format=tar', self.commit)
        with contextlib.suppress(ReleaseError):
            return _run(*archive)
        # Git refuses this for a clone that is not shallow.
        with contextlib.suppress(ReleaseError):
            _run('git', 'fetch', '--quiet', '--unshallow')
        try:
            return _run(*archive)
        except ReleaseError as error:
            raise ReleaseError(
                f'The tests need commit {self.commit}, which this clone does '
                f'not have. If the clone is shallow, run: '
                f'git fetch --unshallow\n{error}'
            ) from None


def _run(*command: str, given: bytes = b'') -> bytes:
    # Without it, pbr would take the version from the git repository here.
    env = {
        **os.environ,
        'PBR_VERSION': '0.0.1',
        'GIT_TERMINAL_PROMPT': '0',
    }
    try:
        done = subprocess.run(
            command,
            cwd=_CLONE,
            env=env,
            input=given,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ReleaseError(f'{command[0]} is missing: {error}') from None
    if done.returncode:
        raise ReleaseError(
            f'{" ".join(command)} failed: '
            f'{(done.stdout + done.stderr).decode(errors="replace").strip()}'
        )
    return done.stdout


# The release before this one. CONTRIBUTING.rst says when to change it.
PREVIOUS = Release('3c3ea3eb09f00fd2dd8d8d679b0646429f3f3499')

if __name__ == '__main__':
    PREVIOUS.prepare()
