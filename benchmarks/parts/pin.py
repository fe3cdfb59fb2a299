"""Calls for the lowest version of a binary, in a small and a large table.

A caller uses the pin in force, which is a row of its own. Each join looks the
lowest version up in the table of services; this is measured too. A conductor
of Nova looks it up once, and returns the same until it is restarted; its look
in the table is measured by its SQL statement, without a call.
"""

from collections.abc import Sequence

from benchmarks import drivers
from benchmarks import lines
from benchmarks import part
from benchmarks import rounds
from benchmarks import sides
from benchmarks import stage as stages

_GOAL = lines.Goal('itself', 1.5, True)
_VERBS = {'pin': 'pin in force', 'minimum': 'pin, looked up in the table'}


def run(stage: stages.Stage) -> part.Outcome:
    some: list[sides.Side] = [stage.ours]
    if stage.peer is not None and stage.scale.others_throughout:
        some.append(stage.peer)
    found, data = _compare(stage, some, 'MariaDB')
    with stage.postgresql() as ours:
        more, more_data = _compare(stage, [ours], 'PostgreSQL')
    return part.Outcome(
        [*found, *more], {'MariaDB': data, 'PostgreSQL': more_data}
    )


def _compare(
    stage: stages.Stage, some: Sequence[sides.Side], database: str
) -> tuple[list[lines.Line], object]:
    scale = stage.scale
    small = _take(stage, stage.running(some, scale.small))
    large = _take(stage, stage.running(some, scale.large))
    found = [
        lines.Line(
            f'{what} at {scale.large:,} services, {database}, ms',
            large.spread('ours', f'{verb}_ms'),
            large.spread('peer', f'{verb}_ms'),
            base=small.spread('ours', f'{verb}_ms'),
            goal=_GOAL,
        )
        for verb, what in _VERBS.items()
    ]
    return found, {
        str(scale.small): small.primitive(),
        str(scale.large): large.primitive(),
    }


def _take(
    stage: stages.Stage, running: Sequence[sides.Running]
) -> rounds.Samples:
    load = drivers.Load(calls=stage.scale.asked)

    def measure(side: sides.Running, _: int) -> rounds.Sample:
        return {
            f'{verb}_ms': 1000 * side.drive(verb, load)['p50']
            for verb in _VERBS
        }

    return rounds.take(stage.scale.rounds, running, measure)


PART = part.Part(
    'pin',
    'the lowest version of a binary at 100 and at 100,000 services',
    run,
)
