"""What depends on how many services there are."""

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
# Nova sends its list as one message.
_PEER_LISTS = 10_000
_RESTS = 5.0

_COSTS = {
    'beat': 'conductor CPU per beat, ms',
    'get': 'conductor CPU per get, ms',
    'list': 'conductor CPU per listed service, ms',
}


def run(stage: stages.Stage) -> part.Outcome:
    found: dict[int, rounds.Samples] = {}
    for rows in stage.scale.sizes:
        with stage.running(stage.all, rows) as running:
            found[rows] = rounds.take(
                stage.scale.rounds, running, lambda side, _: _take(stage, side)
            )
        stage.say(f'at {rows:,} services')
    least, *_ = found
    return part.Outcome(
        [
            *(_line(found, cost, what) for cost, what in _COSTS.items()),
            lines.Line(
                f'conductor at rest, {max(found):,} services, of one core',
                found[max(found)].spread('ours', 'rest'),
                base=found[least].spread('ours', 'rest'),
            ),
        ],
        {str(rows): samples.primitive() for rows, samples in found.items()},
    )


def _line(
    found: Mapping[int, rounds.Samples], cost: str, what: str
) -> lines.Line:
    """The size at which it costs the most, beside the smallest."""
    least, *others = found

    def median(rows: int) -> float:
        spread = found[rows].spread('ours', cost)
        assert spread is not None
        return spread.median

    worst = max(others, key=median)
    return lines.Line(
        f'{what}, {worst:,} services beside {least:,}',
        found[worst].spread('ours', cost),
        found[worst].spread('peer', cost),
        found[worst].spread('limit', cost),
        base=found[least].spread('ours', cost),
        goal=_FLAT,
    )


def _take(stage: stages.Stage, side: sides.Running) -> rounds.Sample:
    sample = {
        'beat': beats.take(stage, side)['cpu_ms'],
        'get': get.take(stage, side)['cpu_ms'],
        'rest': side.rest(_RESTS),
    }
    if side.name == 'ours' or (
        side.name == 'peer' and side.rows <= _PEER_LISTS
    ):
        sample['list'] = listing.take(stage, side)['cpu_ms']
    return sample


PART = part.Part(
    'flat',
    'the cost of a beat, a get and a listed service, by how many there are',
    run,
)
