"""Service versions: which integer stands for which release of a project."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

from oslo_utils import versionutils

from sgconductor import exception


@dataclasses.dataclass(frozen=True)
class Release:
    """What one service version brings.

    :ivar rpc: the RPC version, such as '1.4'
    :ivar objects: the version by name of the project's own objects, so that
        calls carry them as their receiver knows them
    :ivar name: for people
    """

    rpc: str
    objects: Mapping[str, str] = dataclasses.field(default_factory=dict)
    name: str = ''


class History:
    """A project's list of releases; the index is the service version.

    ::

        HISTORY = versions.History('1.0', '1.0', Release('1.1', name='Betty'))

    Entries are only ever appended: one for each release that peers have to
    tell from the one before.

    :param releases: RPC versions, or :class:`Release`
    :raises ConfigError: for an RPC version that is none, or goes back
    """

    def __init__(self, *releases: str | Release) -> None:
        self._releases: Sequence[Release] = [
            Release(one) if isinstance(one, str) else one for one in releases
        ]
        if not releases:
            raise exception.ConfigError('a history has at least one release')
        before: tuple[int, ...] = (0, 0)
        for index, release in enumerate(self._releases):
            version = _parse(release.rpc)
            if version < before:
                raise exception.ConfigError(
                    f'RPC version {release.rpc} of service version {index} '
                    f'is older than the one before it: a history is only '
                    f'appended to'
                )
            before = version

    @property
    def version(self) -> int:
        """The service version to join with: that of the last release."""
        return len(self._releases) - 1

    @property
    def newest(self) -> Release:
        return self._releases[-1]

    @property
    def oldest(self) -> Release:
        return self._releases[0]

    def at(self, version: int) -> Release:
        """The release that may be spoken to services of a version.

        :param version: a pin; one beyond this history, as a later release
            has, gives the last release known here
        """
        return self._releases[min(version, self.version)]

    def check(
        self, rpc_version: str, objects: Mapping[str, str] | None = None
    ) -> None:
        """Fail a test of the project whose history was forgotten.

        ::

            def test_history(self):
                HISTORY.check(WorkerManager.target.version)

        :param rpc_version: what the project's endpoint serves now
        :param objects: the versions of its objects now
        :raises AssertionError: unless the last release has just these
        """
        found = Release(rpc_version, dict(objects or {}))
        last = Release(self.newest.rpc, dict(self.newest.objects))
        if objects is None:
            last = dataclasses.replace(last, objects={})
        if found != last:
            raise AssertionError(
                f'the last release of the history (service version '
                f'{self.version}) has {_words(last)}, but the code has '
                f'{_words(found)}: append a release to the history, so that '
                f'peers can tell this one from those before'
            )


def _words(release: Release) -> str:
    pairs = sorted(release.objects.items())
    objects = ', '.join(f'{name} {version}' for name, version in pairs)
    return f'RPC {release.rpc}' + (f' and {objects}' if objects else '')


def _parse(rpc: str) -> tuple[int, ...]:
    try:
        version = versionutils.convert_version_to_tuple(rpc)
    except ValueError:
        version = ()
    if len(version) != 2:
        raise exception.ConfigError(
            f'a history has RPC versions such as 1.4, not {rpc!r}'
        )
    return version
