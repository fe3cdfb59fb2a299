"""sgconductor-manage liveness …"""

import argparse
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from cliff import lister

from sgconductor import exception
from sgconductor import objects
from sgconductor.cmd import manage

_PAGE = 1000

Page = Mapping[str, Any]


class ConductorsDiffer(exception.SGConductorError):
    message = (
        'Conductors answered that have different drivers. Try again when all '
        'of them have been restarted with the same [servicegroup].'
    )


class Status(lister.Lister):
    """Show what the driver and the shadow driver say of each service.

    The table decides too, so a verdict is that of a driver and the table.
    disagreements says how often the two were seen to differ, and since when
    they do. One line for each driver, on standard error, says whether it can
    be asked.
    """

    app: manage.Manage

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--disagreeing',
            action='store_true',
            help='Only services on which the drivers disagree now.',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        pages = self._pages()
        found = [driver for page in pages for driver in page['drivers']]
        # Each page may be the answer of another conductor.
        for line in dict.fromkeys(_told(driver) for driver in found):
            self.app.stderr.write(f'{line}\n')
        names = _names(pages)
        columns = (
            *('host', 'binary', *names),
            *('disagreements', 'since', 'reason'),
        )
        return columns, [
            _line(service, names, page['drivers'])
            for page in pages
            for service in page['services']
            if not parsed_args.disagreeing or _disagree(service)
        ]

    def _pages(self) -> list[Page]:
        pages: list[Page] = []
        marker = None
        with self.app.context() as context:
            while True:
                page = objects.ServiceList.compare(context, _PAGE, marker)
                pages.append(page)
                if len(page['services']) < _PAGE:
                    return pages
                marker = page['services'][-1]['id']


def _told(driver: Mapping[str, Any]) -> str:
    trouble = driver['trouble']
    return (
        f'{driver["name"]}: outages seen by this conductor: '
        f'{driver["outages"]}; '
        + (f'it cannot be asked: {trouble}' if trouble else 'it can be asked')
    )


def _names(pages: Sequence[Page]) -> tuple[str, ...]:
    """The drivers, as the columns are named."""
    name, *shadows = (driver['name'] for driver in pages[0]['drivers'])
    for page in pages:
        if [driver['name'] for driver in page['drivers']] != [name, *shadows]:
            raise ConductorsDiffer()
    return name, *(f'{shadow} (shadow)' for shadow in shadows)


def _disagree(service: Mapping[str, Any]) -> bool:
    # Nobody is called down before it is certain: unknown is as good as up.
    down = {liveness == 'down' for liveness, _ in service['verdicts']}
    return len(down) > 1


def _line(
    service: Mapping[str, Any],
    names: Sequence[str],
    drivers: Sequence[Mapping[str, Any]],
) -> tuple[Any, ...]:
    # Of one that cannot be asked, the table has spoken.
    by = [' (by the table)' if driver['trouble'] else '' for driver in drivers]
    return (
        service['host'],
        service['binary'],
        *(
            f'{liveness}{whom}'
            for (liveness, _), whom in zip(
                service['verdicts'], by, strict=True
            )
        ),
        service['disagreements'],
        service['since'],
        _reason(service['verdicts'], names),
    )


def _reason(verdicts: Sequence[tuple[str, str]], names: Sequence[str]) -> str:
    """Why it is not plainly up, and by which driver if they differ."""
    first, *others = verdicts
    if all(other == first for other in others):
        return first[1]
    return '; '.join(
        f'{name}: {reason}'
        for name, (_, reason) in zip(names, verdicts, strict=True)
        if reason
    )
