"""Listing all services, with is_up."""

from benchmarks import drivers
from benchmarks import lines
from benchmarks import part
from benchmarks import rounds
from benchmarks import sides
from benchmarks import stage as stages


def run(stage: stages.Stage) -> part.Outcome:
    rows = stage.scale.rows
    both = [side for side in stage.all if side is not stage.limit]
    samples = rounds.take(
        stage.scale.rounds,
        stage.running(both, rows),
        lambda side, _: take(side),
    )
    what = f'list of {rows:,} with is_up'
    goal = lines.Goal('peer', 1 / 8, True)
    return part.Outcome(
        [
            samples.line(f'{what}, s', 'seconds', goal),
            samples.line(f'{what}, conductor CPU, s', 'cpu', goal),
            samples.line(f'{what}, conductor memory at most, MB', 'peak'),
        ],
        {'rows': rows, **samples.primitive()},
    )


def take(side: sides.Running) -> rounds.Sample:
    """Have a side list all services once."""
    done = side.drive('list', drivers.Load(calls=1))
    return {
        'seconds': done['seconds'],
        'cpu': done['cpu'],
        'cpu_ms': 1000 * done['cpu'] / done['units'],
        'rss': done['rss'],
        'peak': done['peak'],
    }


PART = part.Part(
    'list', 'a list of 10,000 services with is_up, in all its pages', run
)
