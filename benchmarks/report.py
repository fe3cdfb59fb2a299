"""The file with the results of a run, and the machine that it ran on."""

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import time
from collections.abc import Mapping

import psutil

from benchmarks import part
from benchmarks import scale as scales

NAME = 'results.json'

# Seconds.
_CPU_WATCHED = 2.0

_PACKAGES = (
    'sgconductor',
    'oslo.messaging',
    'oslo.versionedobjects',
    'SQLAlchemy',
    'PyMySQL',
    'kombu',
    'amqp',
)


def write(
    directory: pathlib.Path,
    found: Mapping[str, part.Outcome],
    scale: scales.Scale,
    versions: Mapping[str, str],
    cores_in_use: float,
    took: float,
) -> None:
    """Write all results as JSON.

    :param found: the results of the parts by name
    :param versions: the versions of the servers and of the peer
    :param cores_in_use: by other processes, before the run
    :param took: how many seconds the run took
    """
    everything = {
        'when': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
        'command': ['benchmarks/run', *sys.argv[1:]],
        'seconds': round(took),
        'machine': machine(),
        'versions': versions,
        'cores_in_use_by_others': cores_in_use,
        'scale': dataclasses.asdict(scale),
        'lines': [
            line.primitive() for one in found.values() for line in one.lines
        ],
        'data': {name: one.data for name, one in found.items()},
    }
    text = json.dumps(everything, indent=1)
    (directory / NAME).write_text(f'{text}\n')


def others() -> float:
    """How many cores other processes use; call it before the run."""
    part: float = psutil.cpu_percent(_CPU_WATCHED) / 100
    return round(part * len(os.sched_getaffinity(0)), 1)


def machine() -> dict[str, object]:
    """The machine and the software of the run."""
    return {
        'processor': _processor(),
        'cores': len(os.sched_getaffinity(0)),
        'memory_gb': round(
            os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9
        ),
        'system': platform.freedesktop_os_release()['PRETTY_NAME'],
        'python': platform.python_version(),
        'packages': {
            name: importlib.metadata.version(name) for name in _PACKAGES
        },
    }


def _processor() -> str:
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        name, _, value = line.partition(':')
        if name.strip() == 'model name':
            return value.strip()
    return platform.machine()
