"""One worker with a large fleet of services that beat every 10 seconds.

The beats are real messages, sent at the pace of the fleet's members.
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import lines
from benchmarks import part
from benchmarks import process
from benchmarks import publish
from benchmarks import sides
from benchmarks import stage as stages
from benchmarks import tables
from sgconductor import app
from sgconductor import objects

_INTERVAL = 10.0
# So short that a service whose beats are late goes down within the run.
_DOWN_AFTER = 30
_PROCESSES = 2
_LOOK_EVERY = 1.0
_READY_WITHIN = 60.0
# A queue grows if at the end it has this many seconds of beats more.
_BEHIND = 1.0


def run(stage: stages.Stage) -> part.Outcome:
    scale = stage.scale
    (side,) = stage.running([stage.ours], scale.fleet, down_after=_DOWN_AFTER)
    found = _watch(stage, side)
    expected = scale.fleet / _INTERVAL
    fleet = f'{scale.fleet:,} services on one worker'
    return part.Outcome(
        [
            lines.Line(
                f'{fleet}: beats per second, each of them written',
                lines.Spread([found['rate']]),
                wanted=f'about {expected:,.0f}',
                verdict=(
                    f'{found["lost"]:.0f} lost',
                    found['rate'] > 0.95 * expected and found['lost'] == 0,
                ),
            ),
            lines.Line(
                f'{fleet}: beats in the queue',
                lines.Spread(found['depths']),
                wanted=f'never grows by {_BEHIND} s of beats',
                verdict=(
                    f'{found["grown"]:+,.0f}',
                    found['grown'] <= _BEHIND * expected,
                ),
            ),
            lines.Line(
                f'{fleet}: services that were called down',
                lines.Spread([found['downs']]),
                wanted='none',
                verdict=('-', found['downs'] == 0),
            ),
            lines.Line(
                f'{fleet}: CPU of the conductor, of one core',
                lines.Spread([found['busy']]),
            ),
            lines.Line(
                f'{fleet}: memory of the conductor, MB',
                lines.Spread([found['rss']]),
            ),
        ],
        found,
    )


def _watch(stage: stages.Stage, side: sides.Running) -> dict[str, Any]:
    programs = _programs(stage, side)
    depths: list[int] = []
    try:
        for each in programs:
            each.line(_READY_WITHIN)
        cpu, begin = side.server.cpu(), time.monotonic()
        for each in programs:
            each.say('go')
        while time.monotonic() < begin + stage.scale.fleet_seconds:
            time.sleep(_LOOK_EVERY)
            depths.append(side.depth(publish.QUEUE))
        results = [json.loads(each.line(_READY_WITHIN)) for each in programs]
        seconds = time.monotonic() - begin
        cpu = side.server.cpu() - cpu
        rss = side.server.rss()
    finally:
        for each in programs:
            each.stop()
    while side.depth(publish.QUEUE):
        time.sleep(_LOOK_EVERY)
    sent = sum(one['sent'] for one in results)
    return {
        'sent': sent,
        'rate': sent / max(one['seconds'] for one in results),
        'lost': sent - tables.beats(stage.ours.database),
        'depths': depths,
        'grown': _grown(depths),
        'downs': float(_downs(side)),
        'busy': cpu / seconds,
        'rss': rss,
        'senders_late': max(one['late'] for one in results),
    }


def _grown(depths: Sequence[int]) -> float:
    """How much longer a queue was in the last third than in the first."""
    third = max(1, len(depths) // 3)
    return statistics.median(depths[-third:]) - statistics.median(
        depths[:third]
    )


def _programs(
    stage: stages.Stage, side: sides.Running
) -> list[process.Program]:
    count = side.rows // _PROCESSES
    return [
        process.Program(
            [
                *(sys.executable, '-m', 'benchmarks.publish'),
                *(side.url, stage.nowhere),
                f'--first={number * count + 1}',
                f'--count={count}',
                f'--interval={_INTERVAL}',
                f'--seconds={stage.scale.fleet_seconds}',
            ],
            side.side.log('publish'),
            talks=True,
        )
        for number in range(_PROCESSES)
    ]


def _downs(side: sides.Running) -> int:
    """How many services are down, or have a down event."""
    with app.connect(side.url, timeout=60) as remote:
        context = remote.context()
        down = {
            service.host
            for service in objects.ServiceList.walk(context, up=False)
        }
        marker = 0
        while page := objects.EventList.get_page(
            context, marker=marker
        ).objects:
            for event in page:
                if event.type == 'service.down':
                    down.add(_host(event))
            marker = page[-1].id
    return len(down)


def _host(event: objects.Event) -> str:
    payload = json.loads(event.payload)
    return str(payload['versioned_object.data']['host'])


PART = part.Part(
    'fleet', 'one worker and 20,000 services that beat each 10 s', run
)
