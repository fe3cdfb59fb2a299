"""Concurrent joins of new services."""

from benchmarks import drivers
from benchmarks import lines
from benchmarks import ours
from benchmarks import part
from benchmarks import rounds
from benchmarks import sides
from benchmarks import stage as stages
from benchmarks.drive_ours import BINARIES
from sgconductor import app
from sgconductor import objects

_THREADS = 16


def run(stage: stages.Stage) -> part.Outcome:
    samples = rounds.take(
        stage.scale.rounds,
        stage.running(stage.all, stage.scale.rows),
        lambda side, number: _take(stage, side, f'round{number}'),
    )
    wrong = samples.spread('ours', 'wrong')
    assert wrong is not None
    times = int(sum(wrong.values))
    what = f'joins of {stage.scale.joins:,} new services'
    return part.Outcome(
        [
            samples.line(
                f'{what} per second, {_THREADS} threads',
                'rate',
                lines.Goal('peer', 3, False),
            ),
            samples.line('conductor CPU per join, ms', 'cpu_ms'),
            lines.Line(
                f'{what}: one epoch for each of {BINARIES} new binaries',
                wanted='exactly',
                verdict=(f'{times} wrong', times == 0),
            ),
        ],
        samples.primitive(),
    )


def _take(stage: stages.Stage, side: sides.Running, tag: str) -> rounds.Sample:
    load = drivers.Load(threads=_THREADS, calls=stage.scale.joins)
    before = _pins(side)
    done = side.drive('join', load, tag=tag)
    after = _pins(side)
    new = set(after[1]) - set(before[1])
    right = after[0] - before[0] == BINARIES == len(new)
    return {
        'rate': done['units'] / done['seconds'],
        'cpu_ms': 1000 * done['cpu'] / done['units'],
        'busy': done['busy'],
        'wrong': float(side.name == ours.Ours.NAME and not right),
    }


def _pins(side: sides.Running) -> tuple[int, dict[str, int]]:
    """The epoch and the pins, if the side is ours."""
    if side.name != ours.Ours.NAME:
        return 0, {}
    with app.connect(side.url) as remote:
        answer = objects.PinList.in_force(remote.context())
    return answer['epoch'], answer['pins']


PART = part.Part(
    'join', 'joins of 1,000 new services by 16 threads, and their epochs', run
)
