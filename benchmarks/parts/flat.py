"""How costs depend on the number of services."""

import time
from collections.abc import Mapping

from benchmarks import lines
from benchmarks import part
from benchmarks import rounds
from benchmarks import sides
from benchmarks import stage as stages
from benchmarks.parts import beats
from benchmarks.parts import get
from benchmarks.parts import listing

_FLAT = lines.Goal('itself', 1.25, True)
# Nova sends a list as one message: larger ones are not measured.
_PEER_LISTS = 10_000

_COSTS = {
    'beat': 'conductor CPU per beat, ms',
    'get': 'conductor CPU per get, ms',
    'list': 'conductor CPU per listed service, ms',
    'peak': 'conductor memory while all are listed, MB',
}


def run(stage: stages.Stage) -> part.Outcome:
    found: dict[int, rounds.Samples] = {}
    rest = {rows: rounds.Samples() for rows in stage.scale.sizes}
    scale = stage.scale
    some = stage.all if scale.others_throughout else [stage.ours]
    for rows in scale.sizes:
        running = stage.running(some, rows)
        found[rows] = rounds.take(
            scale.few_rounds, running, lambda side, _: _take(stage, side)
        )
        before = {side: side.server.cpu() for side in running}
        time.sleep(scale.rest)
        for side in running:
            used = side.server.cpu() - before[side]
            rest[rows].add(side.name, {'rest': used / scale.rest})
    return part.Outcome(
        [
            *(_line(found, cost, what) for cost, what in _COSTS.items()),
            lines.Line(
                f'conductor at rest, {max(found):,} services, of one core',
                rest[max(found)].spread('ours', 'rest'),
                rest[max(found)].spread('peer', 'rest'),
                rest[max(found)].spread('limit', 'rest'),
            ),
        ],
        {
            **{str(rows): each.primitive() for rows, each in found.items()},
            'rest': {rows: each.primitive() for rows, each in rest.items()},
        },
    )


def _line(
    found: Mapping[int, rounds.Samples], cost: str, what: str
) -> lines.Line:
    """The line for the size with the highest cost, beside the smallest."""
    least, *others = found
    bases = {rows: _base(found[least], found[rows], cost) for rows in others}

    def growth(rows: int) -> float:
        spread = found[rows].spread('ours', cost)
        assert spread is not None
        return spread.median / bases[rows].median

    worst = max(others, key=growth)
    return lines.Line(
        f'{what}, {worst:,} services beside {least:,}',
        found[worst].spread('ours', cost),
        found[worst].spread('peer', cost),
        found[worst].spread('limit', cost),
        base=bases[worst],
        goal=_FLAT,
    )


def _base(
    least: rounds.Samples, other: rounds.Samples, cost: str
) -> lines.Spread:
    """The cost at the smallest size, corrected for the machine's speed.

    The sizes are measured one after the other. The cost of the limit does not
    depend on rows: if it is higher at one size, the machine was slower then.
    """
    base = least.spread('ours', cost)
    assert base is not None
    then, now = least.spread('limit', cost), other.spread('limit', cost)
    if then is None or now is None:
        return base
    slower = now.median / then.median
    return lines.Spread([value * slower for value in base.values])


def _take(stage: stages.Stage, side: sides.Running) -> rounds.Sample:
    sample = {
        'beat': beats.take(stage, side)['cpu_ms'],
        'get': get.take(stage, side)['cpu_ms'],
    }
    if side.name == 'ours' or (
        side.name == 'peer' and side.rows <= _PEER_LISTS
    ):
        listed = listing.take(side)
        sample['list'] = listed['cpu_ms']
        sample['peak'] = listed['peak']
    return sample


PART = part.Part(
    'flat',
    'the cost of a beat, a get and a listed service, by how many there are',
    run,
)
