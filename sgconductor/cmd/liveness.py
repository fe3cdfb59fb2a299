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
        'Two conductors answered that have different drivers. Try again when '
        'all conductors run with the same [servicegroup] driver and '
        'shadow_driver.'
    )


class Status(lister.Lister):
    """Show the verdicts of the driver and the shadow driver on each service.

    Each verdict also takes the services table into account. disagreements
    counts how often the two verdicts began to differ; since is when the
    present disagreement began. Standard error has a line for each driver,
    which says whether it can be reached.
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
        # Each page may come from another conductor.
        for line in dict.fromkeys(_driver_line(driver) for driver in found):
            self.app.stderr.write(f'{line}\n')
        names = _names(pages)
        columns = (
            *('host', 'binary', *names),
            *('disagreements', 'since', 'reason'),
        )
        return columns, [
            _row(service, names, page['drivers'])
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


def _driver_line(driver: Mapping[str, Any]) -> str:
    trouble = driver['trouble']
    state = f'unavailable: {trouble}' if trouble else 'available'
    return (
        f'{driver["name"]}: outages seen by this conductor: '
        f'{driver["outages"]}; now {state}'
    )


def _names(pages: Sequence[Page]) -> tuple[str, ...]:
    """The names of the drivers' columns.

    :raises ConductorsDiffer: if the pages are of different drivers
    """
    name, *shadows = (driver['name'] for driver in pages[0]['drivers'])
    for page in pages:
        if [driver['name'] for driver in page['drivers']] != [name, *shadows]:
            raise ConductorsDiffer()
    return name, *(f'{shadow} (shadow)' for shadow in shadows)


def _disagree(service: Mapping[str, Any]) -> bool:
    # is_up is false only of a service that is certainly down, so 'unknown'
    # counts as up.
    down = {liveness == 'down' for liveness, _ in service['verdicts']}
    return len(down) > 1


def _row(
    service: Mapping[str, Any],
    names: Sequence[str],
    drivers: Sequence[Mapping[str, Any]],
) -> tuple[Any, ...]:
    # While a driver is unavailable, its verdict is the table's alone.
    sources = [
        ' (by the table)' if driver['trouble'] else '' for driver in drivers
    ]
    return (
        service['host'],
        service['binary'],
        *(
            f'{liveness}{source}'
            for (liveness, _), source in zip(
                service['verdicts'], sources, strict=True
            )
        ),
        service['disagreements'],
        service['since'],
        _reason(service['verdicts'], names),
    )


def _reason(verdicts: Sequence[tuple[str, str]], names: Sequence[str]) -> str:
    """The reason of the verdict, or that of each driver if they differ."""
    first, *others = verdicts
    if all(other == first for other in others):
        return first[1]
    return '; '.join(
        f'{name}: {reason}'
        for name, (_, reason) in zip(names, verdicts, strict=True)
        if reason
    )
