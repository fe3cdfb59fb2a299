"""The checker, on histories that are good, and on one for each fault."""

import dataclasses
import itertools
import pathlib
from typing import Any

import fixtures

from tests import base
from tests.chaos import checker
from tests.chaos import history
from tests.chaos import linearizability
from tests.chaos import nemesis
from tests.chaos import plan
from tests.chaos import service_model

UUID = 'a' * 8
ROW = {
    'uuid': UUID,
    'incarnation': 1,
    'topic': 'chaos',
    'version': 1,
    'disabled': False,
    'disabled_reason': None,
    'availability_zone': None,
    'forced_down': False,
    'quarantined': False,
    'left': False,
}
GONE = 'ServiceNotFound: it was not found'
AWAY = 'ConductorUnreachable: nobody answered'


def row(**values: Any) -> dict[str, Any]:
    return {**ROW, **values}


class Story:
    """Writes a history: each operation after the one before.

    ``lasts`` makes one end so much later, so that the next ones overlap.
    """

    def __init__(self) -> None:
        self.history = history.History(pace=(2, 10))
        self._now = 0.0
        self._numbers = itertools.count(1)

    def did(
        self,
        kind: str,
        answer: Any = None,
        *,
        client: str = 'client1',
        lasts: float = 0.5,
        error: str = '',
        events: tuple[tuple[str, dict[str, Any]], ...] = (),
        **args: Any,
    ) -> history.Operation:
        self._now += 1
        outcome: history.Outcome = 'ok'
        if error:
            outcome = 'unknown' if error == AWAY else 'refused'
        one = history.Operation(
            client,
            kind,
            args,
            self._now,
            self._now + lasts,
            outcome,
            answer,
            error,
            f'req-{self._now:g}',
        )
        self.history.operations.append(one)
        for type_, service in events:
            self.event(type_, one.request_id, **service)
        return one

    def event(
        self, type_: str, request_id: str | None = None, **service: Any
    ) -> history.Event:
        number = next(self._numbers)
        event = history.Event(
            number,
            f'uuid-{number}',
            f'service.{type_}',
            f'digest-{number}',
            request_id,
            {'host': 'node1', **row(**service)},
        )
        self.history.events.append(event)
        return event

    def joins(self, token: str = 'token1', **more: Any) -> history.Operation:
        """A first join."""
        answer = row(epoch=1, pins={'acme': 1}, **more)
        return self.did(
            'join',
            answer,
            host='node1',
            topic='chaos',
            token=token,
            version=1,
            events=(('create', more), ('up', more)),
        )

    def joins_again(
        self, incarnation: int, token: str, **more: Any
    ) -> history.Operation:
        return self.did(
            'join',
            row(incarnation=incarnation, epoch=1, pins={'acme': 1}),
            host='node1',
            topic='chaos',
            token=token,
            version=1,
            **more,
        )

    def disables(self, **more: Any) -> history.Operation:
        after = {'disabled': True, 'disabled_reason': 'why'}
        wrote: dict[str, Any] = {
            'answer': row(**after),
            'events': (('update', after),),
            **more,
        }
        return self.did('update', host='node1', changes=after, **wrote)

    def gets(self, **more: Any) -> history.Operation:
        return self.did('get', row(**more), host='node1')

    def lived(self, killed: float | None = None, joined: float = 0.0) -> None:
        self.history.lives.append(history.Life('node1', joined, killed))

    def looked(self, at: float, down: bool) -> None:
        self.history.operations.append(
            history.Operation(
                'looker',
                'look',
                {},
                at,
                at + 0.1,
                answer={
                    'members': 1,
                    'down': {'node1': 'last beat'} if down else {},
                },
            )
        )

    def was_away(
        self, begin: float, end: float, recovered: float | None
    ) -> None:
        self.history.faults.append(
            history.Fault('kill', 'broker', begin, end, recovered)
        )


class CheckerTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.story = Story()

    def rules(self) -> list[str]:
        return [one.rule for one in checker.check(self.story.history)]

    def assert_good(self) -> None:
        self.assertEqual([], checker.check(self.story.history))

    def assert_found(self, rule: str) -> None:
        found = checker.check(self.story.history)
        self.assertIn(rule, [one.rule for one in found])
        for one in found:
            # It can be shown.
            self.assertIn('VIOLATION', '\n'.join(one.lines()))


class TestWrites(CheckerTest):
    LOST = 'no write is lost: node1'

    def test_a_life_of_a_service_is_good(self) -> None:
        self.story.did('get', error=GONE, host='node1')
        self.story.joins()
        self.story.disables()
        disabled = {'disabled': True, 'disabled_reason': 'why'}
        self.story.gets(**disabled)
        self.story.did('list', {'node1': row(**disabled)})
        self.story.did(
            'update',
            row(),
            host='node1',
            changes={'disabled': False},
            events=(('update', {}),),
        )
        # It changes nothing, so there is no event.
        self.story.did(
            'update', row(), host='node1', changes={'disabled': False}
        )
        self.story.did(
            'update',
            error='StateConflict: it is enabled',
            host='node1',
            changes={'disabled_reason': 'why'},
        )
        self.story.did(
            'update',
            error='ServiceIsUp: it is up',
            host='node1',
            changes={'quarantined': True},
        )
        self.story.joins_again(2, 'token2')
        # The same join, sent again.
        self.story.joins_again(2, 'token2')
        self.story.did('leave', False, host='node1', uuid=UUID, incarnation=1)
        self.story.did(
            'leave',
            True,
            host='node1',
            uuid=UUID,
            incarnation=2,
            events=(('down', {'incarnation': 2, 'left': True}),),
        )
        self.story.gets(incarnation=2, left=True)
        self.story.did(
            'delete',
            host='node1',
            events=(('delete', {'incarnation': 2, 'left': True}),),
        )
        self.story.did('delete', error=GONE, host='node1')
        self.story.did('list', {})
        self.story.joins('token3', uuid='b' * 8)
        self.assert_good()

    def test_an_update_that_is_not_seen_later_is_lost(self) -> None:
        self.story.joins()
        self.story.disables()
        self.story.gets()
        self.assert_found(self.LOST)

    def test_an_update_that_a_list_does_not_see_is_lost(self) -> None:
        self.story.joins()
        self.story.disables()
        self.story.did('list', {'node1': row()})
        self.assert_found(self.LOST)

    def test_an_update_without_its_event_is_found(self) -> None:
        self.story.joins()
        self.story.disables(events=())
        self.assert_found(self.LOST)

    def test_an_event_with_other_values_than_the_update_is_found(self) -> None:
        self.story.joins()
        self.story.disables(events=(('update', {'disabled': True}),))
        self.assert_found(self.LOST)

    def test_an_event_of_an_update_that_changed_nothing_is_found(self) -> None:
        self.story.joins()
        self.story.did(
            'update',
            row(),
            host='node1',
            changes={'forced_down': False},
            events=(('update', {}),),
        )
        self.assert_found(self.LOST)

    def test_an_update_that_was_not_answered_may_be_done_or_not(self) -> None:
        self.story.joins()
        self.story.disables(answer=None, error=AWAY)
        self.story.gets(disabled=True, disabled_reason='why')
        self.assert_good()

        self.story = Story()
        self.story.joins()
        self.story.disables(answer=None, error=AWAY, events=())
        self.story.gets()
        self.assert_good()

    def test_an_update_that_is_seen_without_its_event_is_found(self) -> None:
        self.story.joins()
        self.story.disables(answer=None, error=AWAY, events=())
        self.story.gets(disabled=True, disabled_reason='why')
        self.assert_found(self.LOST)

    def test_an_updated_service_may_be_deleted_before_the_answer(self) -> None:
        self.story.joins()
        self.story.disables(answer=None, error=GONE, lasts=5)
        disabled = {'disabled': True, 'disabled_reason': 'why'}
        self.story.gets(client='client2', **disabled)
        self.story.did(
            'delete',
            host='node1',
            client='client2',
            events=(('delete', disabled),),
        )
        self.assert_good()

    def test_an_update_is_done_once(self) -> None:
        self.story.joins()
        self.story.disables(answer=None, error=AWAY)
        self.story.gets(disabled=True, disabled_reason='why')
        self.story.did(
            'update',
            row(),
            host='node1',
            changes={'disabled': False},
            events=(('update', {}),),
        )
        self.story.gets(disabled=True, disabled_reason='why')
        self.assert_found(self.LOST)

    def test_updates_that_overlap_fit_in_either_order(self) -> None:
        for last in ('one', 'two'):
            first = 'two' if last == 'one' else 'one'
            self.story = Story()
            self.story.joins()
            for zone in ('one', 'two'):
                self.story.did(
                    'update',
                    row(availability_zone=last),
                    host='node1',
                    client=zone,
                    lasts=5,
                    changes={'availability_zone': zone},
                    events=(('update', {'availability_zone': zone}),),
                )
            self.story.did('get', row(availability_zone=first), host='node1')
            self.story.did('get', row(availability_zone=last), host='node1')
            self.assert_good()

    def test_a_delete_that_comes_back_is_lost(self) -> None:
        self.story.joins()
        self.story.did('delete', host='node1', events=(('delete', {}),))
        self.story.gets()
        self.assert_found(self.LOST)

    def test_a_join_that_is_not_seen_is_lost(self) -> None:
        self.story.joins()
        self.story.joins_again(2, 'token2')
        self.story.gets()
        self.assert_found(self.LOST)

    def test_a_join_that_was_sent_again_counts_once(self) -> None:
        self.story.joins()
        self.story.did(
            'join',
            error=AWAY,
            host='node1',
            topic='chaos',
            token='token2',
            version=1,
        )
        self.story.joins_again(3, 'token2')
        self.assert_found(self.LOST)

    def test_a_leave_that_is_not_seen_is_lost(self) -> None:
        self.story.joins()
        self.story.did('leave', True, host='node1', uuid=UUID, incarnation=1)
        self.story.gets()
        self.assert_found(self.LOST)

    def test_a_hold_that_is_not_seen_is_lost(self) -> None:
        self.story.did('pin', {'held_version': None})
        self.story.did('hold', {'held_version': 2}, version=2)
        self.story.did('pin', {'held_version': 2})
        self.assert_good()
        self.story.did('pin', {'held_version': None})
        self.assert_found('no hold is lost')

    def test_an_unexpected_failure_is_found(self) -> None:
        self.story.did('pins', error='unexpected: see the log')
        self.assert_found('no operation fails unexpectedly')

    def test_what_cannot_be_told_is_a_violation(self) -> None:
        self.useFixture(
            fixtures.MonkeyPatch(
                'tests.chaos.linearizability._MOST_CONFIGURATIONS', 0
            )
        )
        self.story.joins()
        self.assert_found(self.LOST)
        self.assertEqual(0, linearizability._MOST_CONFIGURATIONS)


class TestCounters(CheckerTest):
    def test_a_later_join_has_a_greater_incarnation(self) -> None:
        self.story.joins()
        self.story.joins_again(1, 'token2', client='client2')
        self.assert_found('incarnations rise')

    def test_no_client_sees_an_incarnation_go_back(self) -> None:
        self.story.joins()
        self.story.joins_again(2, 'token2')
        self.story.gets()
        self.assert_found('incarnations rise')

    def test_a_service_that_was_deleted_begins_again(self) -> None:
        self.story.joins()
        self.story.joins_again(2, 'token2')
        self.story.did(
            'delete', host='node1', events=(('delete', {'incarnation': 2}),)
        )
        self.story.joins('token3', uuid='b' * 8)
        self.assert_good()

    def test_an_epoch_that_goes_back_is_found_across_clients(self) -> None:
        self.story.did('pins', {'epoch': 2, 'pins': {'acme': 2}})
        self.story.did('pins', {'epoch': 3, 'pins': {'acme': 1}}, lasts=5)
        self.story.did(
            'pins', {'epoch': 2, 'pins': {'acme': 2}}, client='client2'
        )
        self.assert_good()
        self.story.did(
            'pins', {'epoch': 1, 'pins': {'acme': 1}}, client='client2'
        )
        self.assert_found('epochs rise')

    def test_an_epoch_means_the_same_pins_for_all(self) -> None:
        self.story.did('pins', {'epoch': 2, 'pins': {'acme': 2}})
        self.story.did(
            'pins', {'epoch': 2, 'pins': {'acme': 1}}, client='client2'
        )
        self.assert_found('epochs rise')

    def rest(self, still: bool = True, **pin: Any) -> None:
        services = [
            {'binary': 'acme', 'version': 1, 'quarantined': True},
            {'binary': 'acme', 'version': 2, 'quarantined': False},
            {'binary': 'acme', 'version': 3, 'quarantined': False},
        ]
        pins = [{'binary': 'acme', 'held_version': None, **pin}]
        self.story.did(
            'rest',
            {
                'services': services,
                'pins': pins if pin else [],
                'still': still,
            },
        )

    def test_pins_of_the_lowest_version_are_good(self) -> None:
        self.rest(version=2, min_version=2)
        self.rest(version=1, min_version=2, held_version=1)
        self.rest(version=2, min_version=2, held_version=5)
        self.rest(version=9, min_version=9, still=False)
        self.assert_good()

    def test_a_pin_that_is_not_the_lowest_version_is_found(self) -> None:
        wrongs: list[dict[str, Any]] = [
            {'version': 1, 'min_version': 1},
            {'version': 3, 'min_version': 3},
            {'version': 2, 'min_version': 2, 'held_version': 1},
            {},
        ]
        for wrong in wrongs:
            self.story = Story()
            self.rest(**wrong)
            self.assert_found('pins are the minimum at rest')


class TestEvents(CheckerTest):
    def test_an_event_that_comes_twice_is_found(self) -> None:
        self.story.joins()
        twice = dataclasses.replace(
            self.story.event('down'), uuid='uuid-1', type='service.update'
        )
        self.story.history.events[-1] = twice
        self.assert_found('each event is there once')

    def test_a_request_that_was_carried_out_twice_is_found(self) -> None:
        self.story.joins()
        after = {'disabled': True, 'disabled_reason': 'why'}
        self.story.disables(events=(('update', after), ('update', after)))
        self.assert_found('each event is there once')

    def test_up_after_up_is_found(self) -> None:
        self.story.joins()
        self.story.event('up')
        self.assert_found('up and down alternate')

    def test_an_event_after_the_delete_is_found(self) -> None:
        self.story.joins()
        self.story.did('delete', host='node1', events=(('delete', {}),))
        self.story.event('down')
        self.assert_found('up and down alternate')

    def test_a_delete_without_its_event_is_found(self) -> None:
        self.story.joins()
        self.story.did('delete', host='node1')
        self.assert_found('acknowledged changes have events')

    def test_a_first_join_without_its_event_is_found(self) -> None:
        self.story.did(
            'join',
            row(epoch=1, pins={}),
            host='node1',
            topic='chaos',
            token='token1',
            version=1,
        )
        self.assert_found('acknowledged changes have events')

    def sees(self, *events: history.Event) -> None:
        self.story.did(
            'events',
            [[one.id, one.uuid, one.type, one.digest] for one in events],
            client='tail1',
        )

    def test_an_observer_that_sees_each_event_once_is_good(self) -> None:
        self.story.joins()
        self.sees(self.story.history.events[0])
        self.sees(self.story.history.events[1])
        self.assert_good()

    def test_an_observer_that_misses_an_event_is_found(self) -> None:
        self.story.joins()
        self.sees(self.story.history.events[1])
        self.assert_found('observers see each event once')

    def test_an_observer_need_not_see_what_came_after_its_last_poll(
        self,
    ) -> None:
        self.story.joins()
        self.sees(*self.story.history.events)
        self.story.did('settled', 2)
        self.story.event('down')
        self.assert_good()

    def test_an_observer_that_sees_an_event_twice_is_found(self) -> None:
        self.story.joins()
        self.sees(*self.story.history.events)
        self.sees(self.story.history.events[1])
        self.assert_found('observers see each event once')

    def test_an_observer_that_sees_other_content_is_found(self) -> None:
        self.story.joins()
        first, second = self.story.history.events
        self.sees(first, dataclasses.replace(second, digest='other'))
        self.assert_found('observers see each event once')

    def notify(self, event: history.Event) -> None:
        self.story.did('notification', [event.uuid, event.type, event.digest])

    def test_a_notification_may_come_again_with_the_same_content(
        self,
    ) -> None:
        self.story.joins()
        self.notify(self.story.history.events[0])
        self.notify(self.story.history.events[0])
        self.assert_good()

    def test_a_notification_with_other_content_is_found(self) -> None:
        self.story.joins()
        first = self.story.history.events[0]
        self.notify(dataclasses.replace(first, digest='other'))
        self.assert_found('notifications repeat what is stored')

    def test_a_notification_that_is_no_event_is_found(self) -> None:
        self.story.joins()
        first = self.story.history.events[0]
        self.notify(dataclasses.replace(first, uuid='other'))
        self.assert_found('notifications repeat what is stored')


class TestLiveness(CheckerTest):
    def test_a_live_member_that_a_look_up_calls_down_is_found(self) -> None:
        self.story.lived()
        self.story.looked(5, down=False)
        self.assert_good()
        self.story.looked(6, down=True)
        self.assert_found('nobody alive is down')

    def test_a_live_member_that_an_event_calls_down_is_found(self) -> None:
        self.story.lived()
        self.story.joins()
        self.story.event('down')
        self.assert_found('nobody alive is down')

    def test_a_dead_member_that_is_found_and_joins_again_is_good(self) -> None:
        self.story.joins()
        self.story.event('down')
        self.story.lived(killed=10)
        self.story.looked(12, down=False)
        self.story.looked(22, down=True)
        self.story.looked(39, down=True)
        self.story.lived(joined=40)
        self.story.looked(41, down=False)
        self.assert_good()

    def test_a_dead_member_that_is_not_found_in_time_is_found(self) -> None:
        self.story.lived(killed=10)
        self.story.looked(23, down=False)
        self.assert_good()
        self.story.looked(24.5, down=False)
        self.assert_found('the dead are found in time')

    def test_the_time_counts_from_the_recovery_after_the_last_fault(
        self,
    ) -> None:
        self.story.lived(killed=10)
        self.story.was_away(12, 20, 21)
        self.story.was_away(30, 40, 41)
        # Nothing was away for 12 s only after 41 s.
        self.story.looked(54, down=False)
        self.assert_good()
        self.story.looked(56, down=False)
        self.assert_found('the dead are found in time')

    def test_a_fault_without_recovery_is_found(self) -> None:
        self.story.was_away(12, 20, None)
        self.assert_found('look-ups are answered again')


class TestFile(base.TestCase):
    def test_a_history_is_the_same_when_read_again(self) -> None:
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        path = directory / 'history'
        recorder = history.Recorder(path, (1, 4))
        story = Story()
        story.joins()
        story.lived(killed=3)
        story.was_away(1, 2, None)
        for records in (
            story.history.operations,
            story.history.faults,
            story.history.lives,
            story.history.events,
        ):
            for record in records:
                recorder.add(record)
        recorder.close()
        self.assertEqual(recorder.history, history.read(path))
        self.assertEqual(story.history.events, history.read(path).events)


class TestSeeds(base.TestCase):
    def test_a_seed_gives_the_same_operations(self) -> None:
        def first(seed: int, client: str) -> list[plan.Step]:
            return list(itertools.islice(plan.steps(seed, client), 100))

        self.assertEqual(first(1, 'client1'), first(1, 'client1'))
        self.assertNotEqual(first(1, 'client1'), first(2, 'client1'))
        self.assertNotEqual(first(1, 'client1'), first(1, 'client2'))

    def test_a_seed_gives_the_same_faults(self) -> None:
        def first(seed: int) -> list[nemesis.Planned]:
            return list(itertools.islice(nemesis.plan(seed, 10), 100))

        self.assertEqual(first(1), first(1))
        self.assertNotEqual(first(1), first(2))

    def test_each_fault_comes(self) -> None:
        for nodes in (0, 3):
            known = nemesis.known(nodes)
            planned = itertools.islice(nemesis.plan(1, 10, nodes), len(known))
            come = {fault for each in planned for fault in each.faults}
            self.assertEqual(set(known), come)

    def test_the_model_knows_each_kind_that_has_a_host(self) -> None:
        kinds = {
            step.kind
            for step in itertools.islice(plan.steps(1, 'client1'), 500)
            if 'host' in step.args
        }
        self.assertEqual(
            kinds - {'beat'}, set(service_model._CALLS) - {'list'}
        )
