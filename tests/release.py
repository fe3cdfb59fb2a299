"""Another release of this project, as it was, in an environment of its own.

It is taken from the history of this clone, and kept between runs, for to make
it takes a minute.
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
    """The release cannot be made here; says what to do."""


class Release:
    """A release by its commit. Nothing is made before it is used.

    :param commit: all 40 digits
    :param place: a directory for it and for others
    """

    def __init__(self, commit: str, place: pathlib.Path = _KEPT) -> None:
        self.commit = commit
        self._place = place
        self._home = place / commit
        self._stamp = self._home / 'stamp'

    @property
    def bin(self) -> pathlib.Path:
        """Where its programs are, and its ``python``.

        :raises ReleaseError:
        """
        return self._made / 'venv' / 'bin'

    @property
    def source(self) -> pathlib.Path:
        """Its files, with its tests and examples; not what is installed.

        :raises ReleaseError:
        """
        return self._made / 'source'

    def prepare(self) -> None:
        """Make it now, if it is not there.

        :raises ReleaseError:
        """
        _ = self._made

    @functools.cached_property
    def _made(self) -> pathlib.Path:
        # Each worker of the tests is a process, and one makes it for all.
        with self._locked():
            if not self._is_whole():
                self._make()
        return self._home

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._place.mkdir(exist_ok=True)
        with (self._place / f'{self.commit}.lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _is_whole(self) -> bool:
        try:
            return self._stamp.read_text() == self._what()
        except FileNotFoundError:
            return False

    def _what(self) -> str:
        """What the environment is good for: it cannot be moved."""
        return f'{self._home}\n{sys.version}\n'

    def _make(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        source = self._home / 'source'
        venv = self._home / 'venv'
        source.mkdir(parents=True)
        _run('tar', '-x', '-C', str(source), given=self._archive())
        # A pip of its own would take longer than all that is installed.
        _run(sys.executable, '-m', 'venv', '--without-pip', str(venv))
        _run(
            *(sys.executable, '-m', 'pip', '--python', str(venv), 'install'),
            *('--disable-pip-version-check', '-qq'),
            *('-c', str(source / 'constraints.txt'), str(source)),
        )
        # Last: without it, what is there is half an environment.
        self._stamp.write_text(self._what())

    def _archive(self) -> bytes:
        archive = ('git', 'archive', '--format=tar', self.commit)
        with contextlib.suppress(ReleaseError):
            return _run(*archive)
        # A shallow clone can be made whole; any other refuses that.
        with contextlib.suppress(ReleaseError):
            _run('git', 'fetch', '--quiet', '--unshallow')
        try:
            return _run(*archive)
        except ReleaseError as error:
            raise ReleaseError(
                f'The tests want release {self.commit} out of the history of '
                f'this clone. Is the clone a shallow one? Then run: '
                f'git fetch --unshallow\n{error}'
            ) from None


def _run(*command: str, given: bytes = b'') -> bytes:
    # pbr looks for a version in git, where this is another one's.
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


# The release before this one. CONTRIBUTING.rst says when to move it.
PREVIOUS = Release('3c3ea3eb09f00fd2dd8d8d679b0646429f3f3499')

if __name__ == '__main__':
    PREVIOUS.prepare()
