"""Time and memory of a new member: import, start, first answer."""

import json
import subprocess
import time
from collections.abc import Mapping

from benchmarks import drivers
from benchmarks import lines
from benchmarks import part
from benchmarks import process
from benchmarks import rounds
from benchmarks import stage as stages

# Prints the time and the memory that the process has taken since its start.
_REPORT = (
    'import json, os, sys, time; print(json.dumps({'
    '"seconds": time.monotonic() - float(sys.argv[1]), '
    '"mb": int(open("/proc/self/statm").read().split()[1]) '
    '* os.sysconf("SC_PAGE_SIZE") / 1e6}))'
)
_OURS = 'from sgconductor import app; app.connect'
_START = (
    f'{_OURS}; from sgconductor import objects; import sys; '
    f'remote = app.connect(sys.argv[2]); '
    f'objects.PinList.in_force(remote.context())'
)
_NOVA = (
    'from nova import monkey_patch; '
    'monkey_patch.patch(backend="threading"); '
    'from nova import objects, rpc; from nova.conductor import rpcapi; '
    'objects.register_all()'
)


def run(stage: stages.Stage) -> part.Outcome:
    programs = {
        'ours': (drivers.PYTHON, _OURS),
        'limit': (drivers.PYTHON, 'import oslo_messaging'),
        'start': (drivers.PYTHON, _START),
    }
    if stage.peer is not None:
        programs['peer'] = (stage.peer.python, _NOVA)
    samples = rounds.Samples()
    (side,) = stage.running([stage.ours], stage.scale.small)
    for _ in range(stage.scale.starts):
        for name, (python, code) in programs.items():
            samples.add(name, _start(python, code, side.url))
    return part.Outcome(
        [
            samples.line(
                'import of the member library (limit: oslo_messaging), s',
                'seconds',
            ),
            samples.line(
                'memory after the import (limit: oslo_messaging), MB', 'mb'
            ),
            lines.Line(
                'import, connect and a first answer, s',
                samples.spread('start', 'seconds'),
            ),
            lines.Line('memory after that, MB', samples.spread('start', 'mb')),
        ],
        samples.primitive(),
    )


def _start(python: str, code: str, url: str) -> Mapping[str, float]:
    ended = subprocess.run(
        [python, '-c', f'{code}; {_REPORT}', str(time.monotonic()), url],
        cwd=process.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise process.BenchmarkError(ended.stderr)
    result: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return result


PART = part.Part(
    'import', 'time and memory that the member library takes to start', run
)
