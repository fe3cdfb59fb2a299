"""Pictures of a run: python -m benchmarks.pictures DIRECTORY

They show what the part "flat" has found, where ``results.json`` has it.
"""

import json
import pathlib
import sys
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot

from benchmarks import report

_TITLES = {
    'beat': 'a beat',
    'get': 'a look-up',
    'list': 'a listed service',
}
_LABELS = {
    'ours': 'sgconductor',
    'peer': 'Nova',
    'limit': 'bare oslo.messaging',
}
# Told apart without colours too.
_STYLES = {
    'ours': {'color': '#0060a0', 'marker': 'o', 'linestyle': '-'},
    'peer': {'color': '#c04010', 'marker': 's', 'linestyle': '--'},
    'limit': {'color': '#606060', 'marker': '^', 'linestyle': ':'},
}


def main(directory: pathlib.Path) -> None:
    found = json.loads((directory / report.NAME).read_text())
    flat = found['data'].get('flat')
    if flat is None:
        return
    mpl.use('Agg')
    figure, panels = pyplot.subplots(
        1, len(_TITLES), figsize=(12, 4), layout='constrained'
    )
    for panel, (cost, title) in zip(panels, _TITLES.items(), strict=True):
        for side, label in _LABELS.items():
            _draw(panel, flat, cost, side, label)
        panel.set_title(f'CPU of the conductor for {title}')
        panel.set_xscale('log')
        panel.set_yscale('log')
        panel.set_xlabel('services')
        panel.set_ylabel('ms')
        panel.grid(alpha=0.3)
    panels[0].legend()
    for kind in ('png', 'svg'):
        figure.savefig(directory / f'costs.{kind}', dpi=120)


def _draw(
    panel: Any, flat: dict[str, Any], cost: str, side: str, label: str
) -> None:
    """A line through the medians, with bars from the least to the most."""
    points = []
    for rows, sides in flat.items():
        if not rows.isdecimal():
            continue
        values = sorted(
            one[cost] for one in sides.get(side, []) if cost in one
        )
        if values:
            middle = values[len(values) // 2]
            points.append(
                (int(rows), middle, middle - values[0], values[-1] - middle)
            )
    if points:
        sizes, middles, below, above = zip(*points, strict=True)
        panel.errorbar(
            sizes,
            middles,
            yerr=(below, above),
            label=label,
            capsize=3,
            **_STYLES[side],
        )


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
