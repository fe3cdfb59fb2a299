"""Tally: count passed, failed and skipped tests of a subunit stream.

Reads a subunit v2 stream on standard input.  The last line of the output is
always ``N passed, N failed, N skipped``.  A test that is neither a success,
an expected failure nor a skip has failed: also a test that never ended, and
one that succeeded unexpectedly.
"""

import argparse
import collections
import os
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import BinaryIO

import subunit
import testtools

PASSED = frozenset({'success', 'xfail'})

# NOTE: tests/resources.py skips tests with this text.
MISSING = 'server missing'

# The number of lines to show of each failure.
_LINES = 12


class Tally:
    """The counts of a stream.

    :ivar counts: the number of tests by verdict
    :ivar failures: the last lines of failed tests, by test id
    """

    def __init__(self, *, strict: bool) -> None:
        """Count tests.

        :param strict: whether a skip for a missing server is a failure
        """
        self._strict = strict
        self.counts: collections.Counter[str] = collections.Counter()
        self.failures: dict[str, str] = {}

    def add(self, test: Mapping[str, Any]) -> None:
        verdict = self._verdict(test)
        self.counts[verdict] += 1
        if verdict == 'failed':
            self.failures[test['id']] = _end(test)

    def _verdict(self, test: Mapping[str, Any]) -> str:
        if test['status'] in PASSED:
            return 'passed'
        if test['status'] != 'skip':
            return 'failed'
        reason = test['details'].get('reason')
        if self._strict and reason and MISSING in reason.as_text():
            return 'failed'
        return 'skipped'


def _end(test: Mapping[str, Any]) -> str:
    """The last lines of a failed test's traceback, indented."""
    traceback = test['details'].get('traceback')
    lines = traceback.as_text().splitlines() if traceback else [test['status']]
    return '\n'.join(f'    {line:.200}' for line in lines[-_LINES:])


def count(stream: BinaryIO, *, strict: bool) -> Tally:
    """Return the tally of a whole stream."""
    tally = Tally(strict=strict)
    result = testtools.StreamToDict(tally.add)
    case = subunit.ByteStreamToStreamResult(stream, non_subunit_name='stdout')
    result.startTestRun()
    try:
        case.run(result)
    finally:
        result.stopTestRun()
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description='Count a subunit stream.')
    parser.add_argument('--extra-passed', type=int, default=0, metavar='N')
    parser.add_argument('--extra-failed', type=int, default=0, metavar='N')
    options = parser.parse_args(arguments)
    tally = count(sys.stdin.buffer, strict=os.environ.get('CI') == 'true')
    ran = tally.counts.total()
    passed = tally.counts['passed'] + options.extra_passed
    failed = tally.counts['failed'] + options.extra_failed
    skipped = tally.counts['skipped']
    for test_id, end in sorted(tally.failures.items()):
        print(f'failed: {test_id}\n{end}')
    if not ran:
        print('no test ran')
    print(f'\n{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed or not ran else 0


if __name__ == '__main__':
    sys.exit(main())
