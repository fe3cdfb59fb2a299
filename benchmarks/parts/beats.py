"""The cost of a beat, and how many beats one worker can take.

Each side gets a queue that was filled while it was suspended: it is busy all
the time, and no sender uses the machine beside it. For ours and for the limit
the messages are beats, and for Nova calls of Service.save().
"""

import contextlib
import itertools
import random
import time
from collections.abc import Callable
from collections.abc import Iterator

from benchmarks import drivers
from benchmarks import lines
from benchmarks import part
from benchmarks import peer
from benchmarks import process
from benchmarks import publish
from benchmarks import rounds
from benchmarks import sides
from benchmarks import stage as stages
from benchmarks import stand_ins
from benchmarks import tables

_LOOK_EVERY = 0.05
_DONE_WITHIN = 300.0


def run(stage: stages.Stage) -> part.Outcome:
    running = stage.running(stage.all, stage.scale.rows)
    before = tables.beats(stage.ours.database)
    samples = rounds.take(
        stage.scale.rounds, running, lambda side, _: take(stage, side)
    )
    sent = samples.spread('ours', 'beats')
    assert sent is not None
    written = tables.beats(stage.ours.database) - before
    lost = int(sum(sent.values)) - written
    cpu = 'conductor CPU per beat, ms'
    return part.Outcome(
        [
            samples.line(cpu, 'cpu_ms', lines.Goal('peer', 1 / 20, True)),
            samples.line(
                f'{cpu}, beside the limit',
                'cpu_ms',
                lines.Goal('limit', 1.25, True),
            ),
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
    """Measure how a side takes beats."""
    publisher = publish.Publisher(side.url)
    try:
        if side.name != peer.Peer.NAME:
            queue = publish.QUEUE
            return _drain(
                side,
                publisher,
                stage.template,
                queue,
                stage.scale.beats,
                # A beat is acknowledged when it is written.
                lambda: not side.depth(queue),
            )
        return _call(stage, side, publisher)
    finally:
        publisher.close()


def _call(
    stage: stages.Stage, side: sides.Running, publisher: publish.Publisher
) -> rounds.Sample:
    assert stage.peer is not None
    database = stage.peer.database
    count = stage.scale.calls
    expected = min(count, side.rows)
    since = publish.count_at(time.time_ns() // 1000)
    with _learned(side, publisher) as template:
        return _drain(
            side,
            publisher,
            template,
            peer.Peer.QUEUE,
            count,
            # A call is acknowledged before it is executed.
            lambda: tables.nova_beats(database, since) == expected,
        )


@contextlib.contextmanager
def _learned(
    side: sides.Running, publisher: publish.Publisher
) -> Iterator[publish.Template]:
    """A template of Nova's beats; replies are taken until the block ends."""
    with side.drivers('beat', drivers.Load(calls=1)) as caller:
        tap = publisher.tap(peer.Peer.EXCHANGE, peer.Peer.QUEUE)
        caller.go()
        caller.results()
        yield publisher.take(tap, (stand_ins.ID, stand_ins.COUNT))


def _drain(
    side: sides.Running,
    publisher: publish.Publisher,
    template: publish.Template,
    queue: str,
    count: int,
    done: Callable[[], bool],
) -> rounds.Sample:
    """Fill the queue of a suspended side, and have the side empty it.

    :param done: whether the side has handled all messages that it took
    """
    # In a random order: the rows of a batch are anywhere in the table.
    ids = random.Random(count).sample(range(1, side.rows + 1), side.rows)
    side.server.freeze()
    try:
        publisher.send(template, itertools.islice(itertools.cycle(ids), count))
        while side.depth(queue) < count:
            time.sleep(_LOOK_EVERY)
        cpu, begin = side.server.cpu(), time.monotonic()
    finally:
        side.server.thaw()
    while publisher.waiting(queue) or not done():
        time.sleep(_LOOK_EVERY)
        if time.monotonic() - begin > _DONE_WITHIN:
            raise process.BenchmarkError(
                f'{side.name} has not taken all beats in {_DONE_WITHIN:g} s'
            )
    seconds = time.monotonic() - begin
    cpu = side.server.cpu() - cpu
    return {
        'cpu_ms': 1000 * cpu / count,
        'rate': count / seconds,
        'busy': cpu / seconds,
        'beats': count,
    }


PART = part.Part(
    'beats',
    'CPU of the conductor per beat, and beats per second through one worker',
    run,
)
