"""A task that a thread repeats, whatever errors its action raises."""

import itertools
import threading
import time

from sgconductor import exception
from sgconductor.member import periodic_task
from tests import base


class TestPeriodicTask(base.TestCase):
    def start(self, *outcomes: Exception | None) -> periodic_task.PeriodicTask:
        """A task that runs with these outcomes, and then without errors."""
        script = iter(outcomes)
        self.done = threading.Event()

        def action() -> None:
            outcome = next(script, StopIteration)
            if outcome is StopIteration:
                self.done.set()
            elif isinstance(outcome, Exception):
                raise outcome

        task = periodic_task.PeriodicTask('beat', 0.01, action)
        task.start()
        self.addCleanup(task.stop)
        return task

    def test_a_lasting_failure_is_logged_once_and_so_is_its_end(self) -> None:
        failure = exception.ConductorUnreachable('sgconductor', 5)
        self.start(None, failure, failure, failure)
        self.wait_for('its end', lambda: self.logged('INFO beat works again'))
        self.assertEqual(1, self.logged('INFO beat works again'))
        self.assertEqual(
            1, self.logged('WARNING beat failed, will try again: No')
        )
        self.assertNotIn('Traceback', self.log.output)

    def test_an_unexpected_error_is_logged_once_with_its_traceback(
        self,
    ) -> None:
        self.start(ZeroDivisionError('x'), ZeroDivisionError('x'))
        self.assertTrue(self.done.wait(base.PATIENCE))
        self.assertEqual(1, self.logged('ERROR beat failed, will try again'))
        self.assertEqual(1, self.logged('Traceback'))

    def test_a_failure_of_another_kind_is_logged_too(self) -> None:
        self.start(
            exception.ConductorUnreachable('sgconductor', 5),
            exception.BrokerUnreachable('rabbit://x', 'gone'),
        )
        self.assertTrue(self.done.wait(base.PATIENCE))
        self.assertEqual(2, self.logged('WARNING beat failed'))

    def test_stop_ends_the_thread(self) -> None:
        task = self.start()
        self.assertTrue(self.done.wait(base.PATIENCE))
        task.stop()
        task._thread.join(base.PATIENCE)
        self.assertFalse(task._thread.is_alive())

    def test_its_action_may_stop_it(self) -> None:
        tasks: list[periodic_task.PeriodicTask] = []

        def stop() -> None:
            tasks[0].stop()

        tasks.append(periodic_task.PeriodicTask('beat', 0.01, stop))
        tasks[0].start()
        tasks[0]._thread.join(base.PATIENCE)
        self.assertTrue(tasks[0].stopped)
        self.assertFalse(tasks[0]._thread.is_alive())

    def test_runs_that_a_slow_one_delayed_are_not_made_up_for(self) -> None:
        interval = 0.2
        slow = threading.Event()
        times: list[float] = []
        enough = threading.Event()

        def action() -> None:
            if not times:
                slow.wait(5 * interval)
            times.append(time.monotonic())
            if len(times) == 4:
                enough.set()

        task = periodic_task.PeriodicTask('beat', interval, action)
        task.start()
        self.addCleanup(task.stop)
        self.assertTrue(enough.wait(base.PATIENCE))
        # One run follows the slow one at once, the others at the interval.
        for earlier, later in itertools.pairwise(times[1:]):
            self.assertGreater(later - earlier, interval / 2)
