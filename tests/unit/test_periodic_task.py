"""The thread that beats, whatever happens."""

import itertools
import threading
import time

from sgconductor import exception
from sgconductor.member import periodic_task
from tests import base


class TestPeriodicTask(base.TestCase):
    def beating(
        self, *outcomes: Exception | None
    ) -> periodic_task.PeriodicTask:
        """A heart whose pulses go like this, and then on without trouble."""
        script = iter(outcomes)
        self.pulses = 0
        self.done = threading.Event()

        def pulse() -> None:
            self.pulses += 1
            outcome = next(script, StopIteration)
            if outcome is StopIteration:
                self.done.set()
            elif isinstance(outcome, Exception):
                raise outcome

        beating = periodic_task.PeriodicTask('beat', 0.01, pulse)
        beating.start()
        self.addCleanup(beating.stop)
        return beating

    def test_trouble_is_told_once_and_so_is_its_end(self) -> None:
        trouble = exception.ConductorUnreachable('sgconductor', 5)
        self.beating(None, trouble, trouble, trouble)
        self.wait_for('its end', lambda: self.logged('INFO beat works again'))
        self.assertEqual(1, self.logged('INFO beat works again'))
        self.assertEqual(1, self.logged('WARNING beat failed, trying on: No'))
        self.assertNotIn('Traceback', self.log.output)

    def test_a_bug_is_told_once_with_its_traceback(self) -> None:
        self.beating(ZeroDivisionError('x'), ZeroDivisionError('x'))
        self.assertTrue(self.done.wait(base.PATIENCE))
        self.assertEqual(1, self.logged('ERROR beat failed, trying on: x'))
        self.assertEqual(1, self.logged('Traceback'))

    def test_another_trouble_is_told_again(self) -> None:
        self.beating(
            exception.ConductorUnreachable('sgconductor', 5),
            exception.BrokerUnreachable('rabbit://x', 'gone'),
        )
        self.assertTrue(self.done.wait(base.PATIENCE))
        self.assertEqual(2, self.logged('WARNING beat failed'))

    def test_it_stops(self) -> None:
        beating = self.beating()
        self.assertTrue(self.done.wait(base.PATIENCE))
        beating.stop()
        beating._thread.join(base.PATIENCE)
        self.assertFalse(beating._thread.is_alive())

    def test_it_stops_from_within(self) -> None:
        hearts: list[periodic_task.PeriodicTask] = []

        def stop() -> None:
            hearts[0].stop()

        hearts.append(periodic_task.PeriodicTask('beat', 0.01, stop))
        hearts[0].start()
        hearts[0]._thread.join(base.PATIENCE)
        self.assertTrue(hearts[0].stopped)
        self.assertFalse(hearts[0]._thread.is_alive())

    def test_a_slow_pulse_is_not_made_up_for(self) -> None:
        interval = 0.2
        slow = threading.Event()
        times: list[float] = []
        enough = threading.Event()

        def pulse() -> None:
            if not times:
                slow.wait(5 * interval)
            times.append(time.monotonic())
            if len(times) == 4:
                enough.set()

        beating = periodic_task.PeriodicTask('beat', interval, pulse)
        beating.start()
        self.addCleanup(beating.stop)
        self.assertTrue(enough.wait(base.PATIENCE))
        # The first after the slow one is due at once, the others are not.
        for earlier, later in itertools.pairwise(times[1:]):
            self.assertGreater(later - earlier, interval / 2)
