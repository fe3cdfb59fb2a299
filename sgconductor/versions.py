"""Service versions: which integer stands for which release of a project."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

from oslo_utils import versionutils

from sgconductor import exception


@dataclasses.dataclass(frozen=True)
class Release:
    """The RPC and object versions that belong to one service version.

    :ivar rpc: the RPC version, such as '1.4'
    :ivar objects: the versions of the project's own objects, by name; calls
        carry objects in these versions
    :ivar name: for people
    """

    rpc: str
    objects: Mapping[str, str] = dataclasses.field(default_factory=dict)
    name: str = ''


class History:
    """A project's list of releases; the index is the service version.

    ::

        HISTORY = versions.History('1.0', '1.0', Release('1.1', name='Betty'))

    Entries are only ever appended: one for each release whose RPC API or
    objects differ from the release before.

    :param releases: RPC versions, or :class:`Release`
    :raises ConfigError: for an RPC version that is malformed, or older than
        the one before it
    """

    def __init__(self, *releases: str | Release) -> None:
        self._releases: Sequence[Release] = [
            Release(one) if isinstance(one, str) else one for one in releases
        ]
        if not releases:
            raise exception.ConfigError('a history needs at least one release')
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
        """The service version to join with: the index of the last release."""
        return len(self._releases) - 1

    @property
    def newest(self) -> Release:
        return self._releases[-1]

    @property
    def oldest(self) -> Release:
        return self._releases[0]

    def at(self, version: int) -> Release:
        """The release that services of a version understand.

        :param version: a pin. For a pin beyond this history, which only a
            later release of the project knows, it is the last release.
        """
        return self._releases[min(version, self.version)]

    def check(
        self, rpc_version: str, objects: Mapping[str, str] | None = None
    ) -> None:
        """Check that the history has a release for the code as it is.

        For a test of the project, which fails when somebody changes the API
        or an object and forgets to append a release:

        ::

            def test_history(self):
                HISTORY.check(WorkerManager.target.version)

        :param rpc_version: the version of the project's endpoint now
        :param objects: the versions of its objects now, by name; None to
            leave them out
        :raises AssertionError: unless the last release has exactly these
        """
        found = Release(rpc_version, dict(objects or {}))
        last = Release(self.newest.rpc, dict(self.newest.objects))
        if objects is None:
            last = dataclasses.replace(last, objects={})
        if found != last:
            raise AssertionError(
                f'the last release of the history (service version '
                f'{self.version}) has {_describe(last)}, but the code has '
                f'{_describe(found)}: append a release to the history, so '
                f'that others can tell the new release from the old one'
            )


def _describe(release: Release) -> str:
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
            f'a history needs RPC versions such as 1.4, not {rpc!r}'
        )
    return version
