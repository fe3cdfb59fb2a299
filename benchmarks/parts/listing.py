"""Listing all services, with is_up."""

from benchmarks import drivers
from benchmarks import lines
from benchmarks import part
from benchmarks import rounds
from benchmarks import sides
from benchmarks import stage as stages

# A conductor's memory may grow by so much, from 1,000 rows to all.
_FLAT = 1.25
_FEW = 1_000


def run(stage: stages.Stage) -> part.Outcome:
    scale = stage.scale
    both = [side for side in stage.all if side is not stage.limit]
    with stage.running([stage.ours], _FEW) as (few,):
        small = rounds.take(
            scale.rounds, [few], lambda side, _: take(stage, side)
        )
    with stage.running(both, scale.listed) as running:
        samples = rounds.take(
            scale.rounds, running, lambda side, _: take(stage, side)
        )
    what = f'list of {scale.listed:,} with is_up'
    grown = samples.line('', 'peak').ours
    return part.Outcome(
        [
            samples.line(
                f'{what}, s', 'seconds', lines.Goal('peer', 1 / 8, True)
            ),
            samples.line(
                f'{what}, conductor CPU, s',
                'cpu',
                lines.Goal('peer', 1 / 8, True),
            ),
            lines.Line(
                f'{what}, conductor memory at most, MB',
                grown,
                samples.spread('peer', 'peak'),
                base=small.spread('ours', 'peak'),
                goal=lines.Goal('itself', _FLAT, True),
            ),
        ],
        {
            'rows': scale.listed,
            **samples.primitive(),
            'small': small.primitive(),
        },
    )


def take(stage: stages.Stage, side: sides.Running) -> rounds.Sample:
    """Have a side list all."""
    listings = stage.scale.listings
    done = side.drive('list', drivers.Load(calls=listings))
    return {
        'seconds': done['seconds'] / listings,
        'cpu': done['cpu'] / listings,
        'cpu_ms': 1000 * done['cpu'] / done['units'],
        'rss': done['rss'],
        'peak': done['peak'],
    }


PART = part.Part(
    'list', 'a list of 10,000 services with is_up, in all its pages', run
)
