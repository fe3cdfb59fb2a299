"""Looking up one service."""

from benchmarks import drivers
from benchmarks import lines
from benchmarks import part
from benchmarks import rounds
from benchmarks import sides
from benchmarks import stage as stages


def run(stage: stages.Stage) -> part.Outcome:
    samples = rounds.take(
        stage.scale.rounds,
        stage.running(stage.all, stage.scale.rows),
        lambda side, _: take(stage, side),
    )
    return part.Outcome(
        [
            samples.line(
                'get, calls per second',
                'rate',
                lines.Goal('limit', 0.8, False),
            ),
            samples.line('conductor CPU per get, ms', 'cpu_ms'),
            samples.line('get, median wait, ms', 'p50_ms'),
        ],
        samples.primitive(),
    )


def take(stage: stages.Stage, side: sides.Running) -> rounds.Sample:
    """Have a side answer look-ups for some seconds."""
    scale = stage.scale
    load = drivers.Load(scale.processes, scale.threads, seconds=scale.seconds)
    done = side.drive('get', load)
    return {
        'rate': done['units'] / done['seconds'],
        'cpu_ms': 1000 * done['cpu'] / done['units'],
        'busy': done['busy'],
        'p50_ms': 1000 * done['p50'],
        'p99_ms': 1000 * done['p99'],
    }


PART = part.Part(
    'get', 'look-ups of one service per second, beside a bare ping', run
)
