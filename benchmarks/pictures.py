"""Pictures of a run: python -m benchmarks.pictures DIRECTORY

``costs`` shows how costs depend on the number of services, and ``fleet`` how
many beats waited in the queue of a large fleet. Both are drawn from
``results.json``.
"""

import json
import math
import pathlib
import statistics
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot

from benchmarks import report

# The costs, and the parts that measure them at one size for all sides.
_COSTS = {
    'beat': ('a beat', 'beats'),
    'get': ('a look-up', 'get'),
    'list': ('a listed service', 'list'),
}
_LABELS = {
    'ours': 'sgconductor',
    'peer': 'Nova',
    'limit': 'bare oslo.messaging',
}
# Markers and lines differ too, for readers who do not see the colours.
_STYLES = {
    'ours': {'color': '#0060a0', 'marker': 'o', 'linestyle': '-'},
    'peer': {'color': '#c04010', 'marker': 's', 'linestyle': '--'},
    'limit': {'color': '#606060', 'marker': '^', 'linestyle': ':'},
}
_KINDS = ('png', 'svg')

Found = Mapping[str, Any]


def main(directory: pathlib.Path) -> None:
    found = json.loads((directory / report.NAME).read_text())
    mpl.use('Agg')
    # The same results give the same file.
    mpl.rcParams['svg.hashsalt'] = 'sgconductor'
    _costs(directory, found)
    if 'fleet' in found['data']:
        _fleet(directory, found)


def _costs(directory: pathlib.Path, found: Found) -> None:
    points = {
        title: by_side
        for cost, (title, part) in _COSTS.items()
        if (by_side := _by_side(found, cost, part))
    }
    if not points:
        return
    figure, (panels,) = pyplot.subplots(
        1,
        len(points),
        figsize=(max(4.0, 3.4 * len(points)), 4),
        layout='constrained',
        sharey=True,
        squeeze=False,
    )
    shown = {}
    for panel, (title, by_side) in zip(panels, points.items(), strict=True):
        for side, sizes in by_side.items():
            shown[_LABELS[side]] = _draw(panel, sizes, side)
        panel.set_title(title)
        panel.set_xscale('log')
        panel.set_xlabel('services')
        panel.xaxis.set_major_formatter('{x:,.0f}')
        panel.grid(alpha=0.3)
        panel.margins(x=0.15)
    first, *_ = panels
    first.set_yscale('log')
    low, high = first.get_ylim()
    first.set_ylim(
        10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
    )
    first.yaxis.set_major_formatter('{x:g}')
    first.set_ylabel('CPU of the conductor, ms')
    figure.legend(
        shown.values(), shown, loc='outside lower center', ncols=len(points)
    )
    _save(figure, directory, 'costs')


def _by_side(
    found: Found, cost: str, part: str
) -> dict[str, dict[int, list[float]]]:
    points = {side: _points(found, cost, part, side) for side in _LABELS}
    return {side: values for side, values in points.items() if values}


def _points(
    found: Found, cost: str, part: str, side: str
) -> dict[int, list[float]]:
    """The values of a cost, by the number of services."""
    points = {
        int(rows): [one[cost] for one in sides.get(side, []) if cost in one]
        for rows, sides in found['data'].get('flat', {}).items()
        if rows.isdecimal()
    }
    rows = found['scale']['rows']
    if not points.get(rows):
        taken = found['data'].get(part, {}).get(side, [])
        points[rows] = [one['cpu_ms'] for one in taken]
    return {rows: points[rows] for rows in sorted(points) if points[rows]}


def _draw(panel: Any, points: Mapping[int, Sequence[float]], side: str) -> Any:
    """Draw a line through the medians, with bars from minimum to maximum."""
    middles = [statistics.median(values) for values in points.values()]
    below = [
        middle - min(values)
        for middle, values in zip(middles, points.values(), strict=True)
    ]
    above = [
        max(values) - middle
        for middle, values in zip(middles, points.values(), strict=True)
    ]
    return panel.errorbar(
        list(points),
        middles,
        yerr=(below, above),
        capsize=3,
        **_STYLES[side],
    )


def _fleet(directory: pathlib.Path, found: Found) -> None:
    depths = found['data']['fleet']['depths']
    figure, panel = pyplot.subplots(figsize=(7, 3), layout='constrained')
    panel.plot(range(1, len(depths) + 1), depths, color='#0060a0')
    panel.set_title(
        f'{found["scale"]["fleet"]:,} services that beat each 10 s, one worker'
    )
    panel.set_xlabel('seconds')
    panel.set_ylabel('beats in the queue')
    panel.set_ylim(bottom=0)
    panel.grid(alpha=0.3)
    _save(figure, directory, 'fleet')


def _save(figure: Any, directory: pathlib.Path, name: str) -> None:
    for kind in _KINDS:
        figure.savefig(
            directory / f'{name}.{kind}', dpi=120, metadata=_undated(kind)
        )


def _undated(kind: str) -> dict[str, None]:
    return {'Date': None} if kind == 'svg' else {}


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
