"""What a beat costs, and how many of them one worker takes.

Ours and the limit get a queue that was filled while they were stopped. Nova's
beats are calls, so there callers wait for each, as many as keep its conductor
busy all the time.
"""

import itertools
import random
import time

from benchmarks import drivers
from benchmarks import lines
from benchmarks import part
from benchmarks import process
from benchmarks import publish
from benchmarks import rounds
from benchmarks import sides
from benchmarks import stage as stages
from benchmarks import tables

_LOOK_EVERY = 0.05
_DONE_WITHIN = 300.0


def run(stage: stages.Stage) -> part.Outcome:
    with stage.running(stage.all, stage.scale.rows) as running:
        samples = rounds.take(
            stage.scale.rounds, running, lambda side, _: take(stage, side)
        )
        lost = _lost(stage, samples)
    cpu = 'conductor CPU per beat, ms'
    return part.Outcome(
        [
            samples.line(cpu, 'cpu_ms', lines.Goal('peer', 1 / 20, True)),
            samples.line(cpu, 'cpu_ms', lines.Goal('limit', 1.25, True)),
            samples.line(
                'beats per second, one worker',
                'rate',
                lines.Goal('peer', 20, False),
            ),
            lines.Line(
                'beats that were lost',
                wanted='none',
                verdict=(str(lost), lost == 0),
            ),
        ],
        samples.primitive(),
    )


def take(stage: stages.Stage, side: sides.Running) -> rounds.Sample:
    """Have a side take beats, and see what that costs it."""
    if side.name == 'peer':
        return _call(stage, side)
    return drain(stage, side, stage.scale.beats)


def drain(
    stage: stages.Stage, side: sides.Running, count: int
) -> rounds.Sample:
    """Fill the queue, and have it emptied."""
    publisher = publish.Publisher(side.url)
    # As they would come: those of one batch stand anywhere in the table.
    ids = random.Random(count).sample(range(1, side.rows + 1), side.rows)
    side.server.freeze()
    try:
        publisher.send(
            stage.template, itertools.islice(itertools.cycle(ids), count)
        )
        _until_filled(side, count)
        cpu, begin = side.server.cpu(), time.monotonic()
    finally:
        side.server.thaw()
    while publisher.waiting():
        time.sleep(_LOOK_EVERY)
        if time.monotonic() - begin > _DONE_WITHIN:
            raise process.BenchmarkError(f'{side.name} takes no beats')
    while side.depth(publish.QUEUE):
        time.sleep(_LOOK_EVERY)
    seconds = time.monotonic() - begin
    cpu = side.server.cpu() - cpu
    publisher.close()
    return {
        'cpu_ms': 1000 * cpu / count,
        'rate': count / seconds,
        'busy': cpu / seconds,
        'beats': count,
    }


def _call(stage: stages.Stage, side: sides.Running) -> rounds.Sample:
    scale = stage.scale
    load = drivers.Load(scale.processes, scale.threads, seconds=scale.seconds)
    done = side.drive('beat', load)
    return {
        'cpu_ms': 1000 * done['cpu'] / done['units'],
        'rate': done['units'] / done['seconds'],
        'busy': done['busy'],
        'beats': done['units'],
    }


def _until_filled(side: sides.Running, count: int) -> None:
    while side.depth(publish.QUEUE) < count:
        time.sleep(_LOOK_EVERY)


def _lost(stage: stages.Stage, samples: rounds.Samples) -> int:
    sent = samples.spread('ours', 'beats')
    assert sent is not None
    return int(sum(sent.values)) - tables.beats(stage.ours.database)


PART = part.Part(
    'beats',
    'CPU of the conductor per beat, and beats per second through one worker',
    run,
)
