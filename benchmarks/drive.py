"""The main function of all drivers, which call a side and measure.

A driver gets ready, prints this, waits for a line, makes its calls in some
threads, and prints one line of JSON. It runs in the environment of the side
that it calls, so this module uses only the standard library.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping

# Makes the call of this number; returns how many units of work that was.
Call = Callable[[int], int]
Verb = Callable[[argparse.Namespace], Call]

_MOST = 10**9


def main(verbs: Mapping[str, Verb]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('verb', choices=verbs)
    parser.add_argument('--config', help='a file, or a transport URL')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--calls', type=int, help='by all threads')
    parser.add_argument('--seconds', type=float, default=3600.0)
    parser.add_argument('--process', type=int, default=0, help='its number')
    parser.add_argument('--rows', type=int, default=1)
    parser.add_argument('--tag', default='', help='makes names unique')
    options = parser.parse_args()
    call = verbs[options.verb](options)
    print('ready', flush=True)
    sys.stdin.readline()
    print(json.dumps(_run(call, options)), flush=True)
    # The end of the process closes its connections.
    sys.stdin.readline()


def _run(call: Call, options: argparse.Namespace) -> dict[str, float]:
    took: list[float] = []
    units: list[int] = []
    failed: list[Exception] = []
    calls = _MOST if options.calls is None else options.calls
    begin = time.monotonic()
    deadline = begin + options.seconds

    def work(first: int) -> None:
        before = time.monotonic()
        try:
            for number in range(first, calls, options.threads):
                if before >= deadline:
                    return
                units.append(call(number))
                now = time.monotonic()
                took.append(now - before)
                before = now
        except Exception as error:
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=(first,))
        for first in range(options.threads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin
    if failed:
        raise failed[0]
    took.sort()
    return {
        'calls': len(took),
        'units': sum(units),
        'seconds': seconds,
        'p50': took[len(took) // 2],
        'p99': took[len(took) * 99 // 100],
    }
