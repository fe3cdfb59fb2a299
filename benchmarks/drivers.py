"""Having driver processes make their calls at one moment."""

import contextlib
import json
import pathlib
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks import process

_READY_WITHIN = 180.0
_DONE_WITHIN = 900.0


class Load(NamedTuple):
    """How much is asked of a side.

    :ivar processes: that call
    :ivar threads: in each of them
    :ivar calls: of each process; None for as many as the time allows
    :ivar seconds: for how long; None for as long as the calls take
    """

    processes: int = 1
    threads: int = 1
    calls: int | None = None
    seconds: float | None = None


class Drivers:
    """Processes that are ready to call.

    :param module: of the driver
    :param python: the interpreter that has what it drives
    :param log: where their stderr goes
    """

    def __init__(
        self,
        module: str,
        python: str,
        log: pathlib.Path,
        load: Load,
        verb: str,
        options: Mapping[str, object],
    ) -> None:
        arguments = [f'--{name}={value}' for name, value in options.items()]
        arguments.append(f'--threads={load.threads}')
        if load.calls is not None:
            arguments.append(f'--calls={load.calls}')
        if load.seconds is not None:
            arguments.append(f'--seconds={load.seconds}')
        self._programs = [
            process.Program(
                [
                    *(python, '-m', module, verb, *arguments),
                    f'--process={number}',
                ],
                log,
                talks=True,
            )
            for number in range(load.processes)
        ]

    def wait_ready(self) -> None:
        for each in self._programs:
            each.line(_READY_WITHIN)

    def go(self) -> None:
        for each in self._programs:
            each.say('go')

    def results(self) -> dict[str, float]:
        """What they have done: the sum of all, the time of the slowest."""
        told = [json.loads(each.line(_DONE_WITHIN)) for each in self._programs]
        return {
            'calls': sum(one['calls'] for one in told),
            'units': sum(one['units'] for one in told),
            'seconds': max(one['seconds'] for one in told),
            'p50': sum(one['p50'] for one in told) / len(told),
            'p99': max(one['p99'] for one in told),
        }

    def stop(self) -> None:
        for each in self._programs:
            each.stop()


@contextlib.contextmanager
def ready(drivers: Drivers) -> Iterator[Drivers]:
    """Drivers that are ready, until the end of the block."""
    try:
        drivers.wait_ready()
        yield drivers
    finally:
        drivers.stop()


PYTHON = sys.executable
