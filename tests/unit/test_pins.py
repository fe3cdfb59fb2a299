"""The pins that a process knows, and when it asks for them again."""

import threading
from collections.abc import Mapping
from typing import Any

from sgconductor import exception
from sgconductor.rpcapi import pin_cache
from tests import base


class Conductor:
    """Stands in for a conductor that answers, or raises an error.

    :ivar asked: how many requests it got
    """

    def __init__(self, epoch: int = 1, **versions: int) -> None:
        self.asked = 0
        self.answer: Mapping[str, Any] | Exception = {
            'epoch': epoch,
            'pins': versions,
        }

    def __call__(self) -> Mapping[str, Any]:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


GONE = exception.ConductorUnreachable('sgconductor', 10)


class PinsTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 1000.0
        self.conductor = Conductor(1, worker=1)
        self.pins = pin_cache.PinCache(self.conductor, lambda: self.now)


class TestUpdate(PinsTest):
    def test_only_pins_of_a_newer_epoch_are_taken(self) -> None:
        self.assertTrue(self.pins.update(5, {'worker': 2}))
        self.assertFalse(self.pins.update(4, {'worker': 1}))
        self.assertFalse(self.pins.update(5, {'worker': 1}))
        self.pins.extend(self.now + 60)
        self.assertEqual(5, self.pins.epoch)
        self.conductor.answer = {'epoch': 3, 'pins': {'worker': 0}}
        self.assertEqual(2, self.pins.version('worker'))
        self.assertTrue(self.pins.update(6, {'worker': 3}))
        self.assertEqual(3, self.pins.version('worker'))

    def test_no_epoch_is_confirmed_before_pins_are_known(self) -> None:
        self.assertEqual(0, self.pins.epoch)

    def test_a_newer_epoch_is_confirmed_after_older_calls(
        self,
    ) -> None:
        self.pins.update_from(self.conductor(), self.now + 60)
        with self.pins.using('worker') as older:
            self.pins.update(2, {'worker': 2})
            with self.pins.using('worker') as newer:
                self.assertEqual((1, 2), (older, newer))
                self.assertEqual(1, self.pins.epoch)
        self.assertEqual(2, self.pins.epoch)

    def test_a_call_that_fails_has_ended_too(self) -> None:
        def fail() -> None:
            with self.pins.using('worker'):
                self.pins.update(2, {'worker': 2})
                raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, fail)
        self.assertEqual(2, self.pins.epoch)


class TestFreshness(PinsTest):
    def test_a_conductor_is_asked_when_the_pins_are_too_old(self) -> None:
        for _ in range(3):
            self.assertEqual(1, self.pins.version('worker'))
        self.assertEqual(1, self.conductor.asked)
        self.conductor.answer = {'epoch': 2, 'pins': {'worker': 2}}
        self.now += pin_cache.MAX_AGE
        self.assertEqual(2, self.pins.version('worker'))
        self.assertEqual(2, self.conductor.asked)

    def test_no_conductor_is_asked_while_beats_extend_validity(self) -> None:
        self.pins.update_from({'epoch': 1, 'pins': {'worker': 1}}, 1060)
        self.now = 1059.0
        self.pins.extend(1119)
        self.now = 1118.0
        self.pins.version('worker')
        self.assertEqual(0, self.conductor.asked)

    def test_a_beat_does_not_extend_pins_that_are_too_old(self) -> None:
        self.pins.update_from({'epoch': 1, 'pins': {'worker': 1}}, 1060)
        self.conductor.answer = {'epoch': 2, 'pins': {'worker': 0}}
        # A process that was suspended may beat before it asks.
        self.now = 1100.0
        self.pins.extend(1160)
        self.assertEqual(0, self.pins.version('worker'))

    def test_concurrent_threads_ask_a_conductor_once(self) -> None:
        gate = threading.Event()
        answer = self.conductor.answer
        conductor = self.conductor

        def slow() -> Mapping[str, Any]:
            gate.wait(base.PATIENCE)
            conductor()
            assert isinstance(answer, dict)
            return answer

        shared = pin_cache.PinCache(slow, lambda: self.now)
        threads = [
            threading.Thread(target=shared.version, args=('worker',))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join()
        self.assertEqual(1, conductor.asked)


class TestFailure(PinsTest):
    def test_an_unknown_binary_is_an_error(self) -> None:
        error = self.assertRaises(
            exception.UnknownBinary, self.pins.version, 'wroker'
        )
        self.assertIn("'wroker'", str(error))
        self.assertIn('Known: worker', str(error))
        self.assertEqual(1, self.pins.epoch)

    def test_a_binary_that_has_just_joined_is_found(self) -> None:
        self.pins.version('worker')
        self.now += 1
        self.conductor.answer = {'epoch': 2, 'pins': {'worker': 1, 'api': 7}}
        self.assertEqual(7, self.pins.version('api'))

    def test_the_known_pins_are_used_while_no_conductor_answers(self) -> None:
        self.pins.version('worker')
        self.conductor.answer = GONE
        self.now += pin_cache.MAX_AGE
        for _ in range(2):
            self.assertEqual(1, self.pins.version('worker'))
        # Not once for each caller: a request may take as long as a timeout.
        self.assertEqual(2, self.conductor.asked)
        self.now += pin_cache.MAX_AGE
        self.pins.version('worker')
        self.assertEqual(1, self.logged('WARNING The pins cannot be'))

    def test_a_slow_failure_is_not_repeated_by_each_caller(self) -> None:
        def slow() -> Mapping[str, Any]:
            self.conductor()
            # The failure takes longer than pins stay valid.
            self.now += 2 * pin_cache.MAX_AGE
            raise GONE

        self.pins = pin_cache.PinCache(slow, lambda: self.now)
        self.pins.update(1, {'worker': 1})
        for _ in range(8):
            self.assertEqual(1, self.pins.version('worker'))
        self.assertEqual(1, self.conductor.asked)

    def test_a_failed_request_makes_no_pins_valid(self) -> None:
        self.pins.update_from({'epoch': 1, 'pins': {'worker': 1}}, 1060)
        self.now = 1100.0
        self.conductor.answer = GONE
        self.pins.version('worker')
        self.pins.extend(1160)
        self.now += pin_cache.MAX_AGE
        self.conductor.answer = {'epoch': 2, 'pins': {'worker': 0}}
        self.assertEqual(0, self.pins.version('worker'))

    def test_an_unknown_binary_is_asked_for_once_a_second(self) -> None:
        for _ in range(5):
            self.assertRaises(
                exception.UnknownBinary, self.pins.version, 'wroker'
            )
        self.assertEqual(1, self.conductor.asked)
        self.now += 1
        self.conductor.answer = {'epoch': 2, 'pins': {'wroker': 1}}
        self.assertEqual(1, self.pins.version('wroker'))

    def test_without_any_pins_the_caller_gets_the_error(self) -> None:
        self.conductor.answer = GONE
        self.assertRaises(
            exception.ConductorUnreachable, self.pins.version, 'worker'
        )
