"""Driver processes, which start their calls at the same moment."""

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
    """How much drivers call a side.

    :ivar processes: the number of driver processes
    :ivar threads: the number of threads in each process
    :ivar calls: how many calls each process makes; None for as many as fit
        into the time
    :ivar seconds: for how long they call; None for as long as the calls take
    """

    processes: int = 1
    threads: int = 1
    calls: int | None = None
    seconds: float | None = None


class Drivers:
    """Driver processes.

    :param module: the driver's module
    :param python: the interpreter of the side's environment
    :param log: the file for their stderr
    :param verb: the call to make
    :param options: more options of the driver
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
        """Wait until all are ready to call."""
        for program in self._programs:
            program.line(_READY_WITHIN)

    def go(self) -> None:
        """Have all start their calls."""
        for program in self._programs:
            program.say('go')

    def results(self) -> dict[str, float]:
        """Wait for the end of the calls, and combine the results of all.

        Counts are sums, ``seconds`` and ``p99`` those of the slowest, and
        ``p50`` is the mean.
        """
        results = [
            json.loads(program.line(_DONE_WITHIN))
            for program in self._programs
        ]
        return {
            'calls': sum(one['calls'] for one in results),
            'units': sum(one['units'] for one in results),
            'seconds': max(one['seconds'] for one in results),
            'p50': sum(one['p50'] for one in results) / len(results),
            'p99': max(one['p99'] for one in results),
        }

    def stop(self) -> None:
        for program in self._programs:
            program.stop()


@contextlib.contextmanager
def ready(drivers: Drivers) -> Iterator[Drivers]:
    """Drivers that are ready, until the end of the block."""
    try:
        drivers.wait_ready()
        yield drivers
    finally:
        drivers.stop()


PYTHON = sys.executable
