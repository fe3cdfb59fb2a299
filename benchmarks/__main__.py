"""Measures sgconductor beside Nova's conductor and bare oslo.messaging."""

import argparse
import contextlib
import logging
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from benchmarks import catalogue
from benchmarks import lines
from benchmarks import part
from benchmarks import process
from benchmarks import report
from benchmarks import scale as scales
from benchmarks import stage as stages
from tests import drills
from tests.servers import rabbitmq

# Other processes of an idle machine use fewer cores than this.
_QUIET = 0.2

_DIFFERENCES = (
    'All sides have one worker, the same threads of oslo.messaging for calls,',
    'and their defaults for the rest. What differs: a beat of Nova is a call,',
    'ours is a notification. Nova has its own tables in the same MariaDB, and',
    'no cells, scheduler or computes. Its list is one message, and the caller',
    'decides which services are up; ours is pages, and the conductor decides.',
    'Its services are of one binary; ours join as ten, and move the pins.',
    'Nova is not measured on PostgreSQL, which it does not support.',
)


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse(argv)
    # A driver's own warnings are in its log.
    logging.getLogger().addHandler(logging.NullHandler())
    return drills.run(
        'benchmarks',
        lambda: _run(options),
        errors=(drills.DrillError, process.BenchmarkError, OSError),
        status=2,
    )


def _run(options: argparse.Namespace) -> int:
    scale = scales.QUICK if options.quick else scales.FULL
    if options.rounds is not None:
        scale = scales.with_rounds(scale, options.rounds)
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f'{time.monotonic() - begin:7.1f} s  {text}', flush=True)

    # A folder that cannot be made is an error now, not after the run.
    options.output.mkdir(parents=True, exist_ok=True)
    used = report.others()
    if used > _QUIET:
        say(f'other processes use {used} cores: figures will be rough')
    found: dict[str, part.Outcome] = {}
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory())
        )
        say('the servers start')
        broker = stack.enter_context(drills.started(rabbitmq.RabbitMQ()))
        server = stack.enter_context(drills.started(stages.LargeMariaDB()))
        stage = stages.Stage(
            broker, server, directory, scale, options.peer, say
        )
        stack.callback(stage.close)
        if stage.peer is None:
            say(f'no Nova in {options.peer}: the column peer shows -')
        for one in catalogue.PARTS:
            if options.only and one not in options.only:
                continue
            say(f'{one.name}: {one.summary}')
            found[one.name] = one.run(stage)
            for line in found[one.name].lines:
                say(' | '.join(line.cells()))
        versions = stage.versions()
    took = time.monotonic() - begin
    all_lines = [line for one in found.values() for line in one.lines]
    report.write(options.output, found, scale, versions, used, took)
    _draw(options.output)
    print(f'\n{lines.table(all_lines)}\n')
    missed = [line.measure for line in all_lines if line.met is False]
    for measure in missed:
        print(f'goal not met: {measure}')
    return 1 if missed else 0


def _draw(directory: pathlib.Path) -> None:
    """Draw pictures, in a process that may fail without matplotlib."""
    drawn = subprocess.run(
        [sys.executable, '-m', 'benchmarks.pictures', directory.resolve()],
        cwd=process.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if drawn.returncode:
        error = drawn.stderr.splitlines()[-1:]
        print(f'benchmarks: no pictures: {"".join(error)}', file=sys.stderr)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='benchmarks/run',
        description=__doc__,
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='measure less, in 3 minutes; the ratios are rough',
    )
    parser.add_argument(
        '--only',
        action='append',
        type=_part,
        metavar='PART',
        help='run only this part; may be repeated',
    )
    parser.add_argument(
        '--rounds',
        type=drills.at_least(1),
        metavar='N',
        help='measure each side N times',
    )
    parser.add_argument(
        '--peer',
        type=pathlib.Path,
        default=process.ROOT / '.peer',
        metavar='DIRECTORY',
        help='the environment that has Nova (default: .peer)',
    )
    parser.add_argument(
        '--output',
        type=pathlib.Path,
        default=pathlib.Path(__file__).parent / 'results',
        metavar='DIRECTORY',
        help='where JSON and pictures go (default: benchmarks/results)',
    )
    return parser.parse_args(argv)


def _epilog() -> str:
    parts = [f'  {one.name:8} {one.summary}' for one in catalogue.PARTS]
    return '\n'.join(['parts of a run:', *parts, '', *_DIFFERENCES])


def _part(name: str) -> part.Part:
    for one in catalogue.PARTS:
        if one.name == name:
            return one
    names = ', '.join(one.name for one in catalogue.PARTS)
    raise argparse.ArgumentTypeError(
        f'there is no part {name!r}; choose from: {names}'
    )


if __name__ == '__main__':
    sys.exit(main())
