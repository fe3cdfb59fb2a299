"""Clients: each does what its plan says, and records it."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from sgconductor import app
from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.db import clock
from sgconductor.rpcapi import beats
from tests.chaos import history
from tests.chaos import plan
from tests.chaos import service_model

# How often a join that was not answered is sent again.
_JOIN_TRIES = 3


class _Joined(NamedTuple):
    """
    :ivar at: when it was, by the monotonic clock
    :ivar epoch: of the pins that the answer had
    """

    service: objects.Service
    at: float
    epoch: int


class Client:
    """A thread that does one operation after the other.

    :param remote: reaches the conductors; the caller closes it
    :param recorder: gets each operation
    """

    def __init__(
        self,
        name: str,
        seed: int,
        remote: app.Remote,
        recorder: history.Recorder,
        pace: tuple[int, int],
    ) -> None:
        self._name = name
        self._steps = plan.steps(seed, name)
        self._remote = remote
        self._beats = beats.BeatAPI(remote.transport)
        self._recorder = recorder
        self._pace = pace
        self._joined: dict[str, _Joined] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the operation that it does now."""
        self._over.set()
        self._thread.join()

    def close(self) -> None:
        """Close what it has opened; the remote stays open."""
        self._beats.close()

    def _run(self) -> None:
        for step in self._steps:
            if self._over.wait(step.pause):
                return
            self._do(step.kind, step.args)

    def _do(self, kind: str, args: dict[str, Any]) -> None:
        if kind == 'join':
            for _ in range(_JOIN_TRIES):
                if self._record(kind, args) != 'unknown':
                    return
        elif kind in ('leave', 'beat'):
            joined = self._joined.get(args['host'])
            if joined:
                one = joined.service
                more = {'uuid': one.uuid, 'incarnation': one.incarnation}
                self._record(kind, {**args, **more})
        else:
            self._record(kind, args)

    def _record(self, kind: str, args: dict[str, Any]) -> history.Outcome:
        do = getattr(self, f'_{kind}')
        context = self._remote.context()
        return record(
            self._recorder,
            self._name,
            kind,
            args,
            lambda: do(context, args),
            context.request_id,
        )

    def _join(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> dict[str, Any]:
        interval, down_after = self._pace
        service = objects.Service(
            context,
            host=args['host'],
            binary=plan.BINARY,
            topic=args['topic'],
            version=args['version'],
            report_interval=interval,
            down_after=down_after,
        )
        answer = service.join(args['token'])
        self._joined[args['host']] = _Joined(
            service, time.monotonic(), answer['epoch']
        )
        return {**seen(service), **_of(answer, 'epoch', 'pins')}

    def _beat(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> None:
        one = self._joined[args['host']]
        since = int((time.monotonic() - one.at) * 1_000_000)
        self._beats.beat(
            one.service.id,
            one.service.incarnation,
            clock.to_micros(one.service.last_seen_up) + since,
            one.epoch,
        )

    def _leave(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> bool:
        left: bool = objects.Service(
            context, uuid=args['uuid'], incarnation=args['incarnation']
        ).leave()
        return left

    def _delete(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> None:
        _named(context, args['host']).destroy()

    def _update(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> dict[str, Any]:
        service = _named(context, args['host'])
        service.update(args['changes'])
        return seen(service)

    def _get(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> dict[str, Any]:
        return seen(
            objects.Service.get_by_host_and_binary(
                context, args['host'], plan.BINARY
            )
        )

    def _list(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> dict[str, Any]:
        services = objects.ServiceList.walk(context, binary=plan.BINARY)
        return {service.host: seen(service) for service in services}

    def _pins(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> dict[str, Any]:
        return _of(objects.PinList.in_force(context), 'epoch', 'pins')

    def _pin(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> dict[str, Any]:
        pin = objects.Pin.get_by_binary(context, plan.BINARY)
        return {'held_version': pin.held_version}

    def _hold(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> dict[str, Any]:
        pin = objects.Pin(context, binary=plan.BINARY)
        if args['version'] is None:
            pin.release()
        else:
            pin.hold(args['version'])
        return {'held_version': pin.held_version}

    def _rest(
        self, context: sg_context.RequestContext, args: dict[str, Any]
    ) -> dict[str, Any]:
        return rest(context)


def rest(context: sg_context.RequestContext) -> dict[str, Any]:
    """All services, all pins, and whether nothing moved meanwhile."""
    before = _roster(context)
    pins = objects.PinList.get_all(context)
    names = ('binary', 'version', 'min_version', 'held_version', 'epoch')
    return {
        'services': before,
        'pins': [
            {name: getattr(pin, name) for name in names}
            for pin in pins.objects
        ],
        'still': _roster(context) == before,
    }


def record(
    recorder: history.Recorder,
    client: str,
    kind: str,
    args: dict[str, Any],
    do: Callable[[], Any],
    request_id: str = '',
) -> history.Outcome:
    """Do an operation, and record it.

    :param do: returns the answer, in plain values
    """
    outcome: history.Outcome = 'ok'
    answer, error = None, ''
    begin = recorder.now()
    try:
        answer = do()
    except exception.UnexpectedFailure as failure:
        outcome, error = 'unknown', f'unexpected: {failure}'
    except exception.Unreachable as failure:
        outcome, error = 'unknown', _text(failure)
    except exception.SGConductorError as failure:
        outcome, error = 'refused', _text(failure)
    except Exception as failure:
        outcome, error = 'unknown', f'unexpected: {_text(failure)}'
    recorder.add(
        history.Operation(
            client,
            kind,
            args,
            begin,
            recorder.now(),
            outcome,
            json.loads(json.dumps(answer)),
            error,
            request_id,
        )
    )
    return outcome


def seen(service: objects.Service) -> dict[str, Any]:
    """The fields of a service that the model knows."""
    values: dict[str, Any] = {
        name: getattr(service, name)
        for name in service_model.FIELDS
        if name != 'left'
    }
    return {**values, 'left': service.left_at is not None}


def _roster(context: sg_context.RequestContext) -> list[dict[str, Any]]:
    """What of all services counts for pins, and tells of any change."""
    names = ('uuid', 'binary', 'version', 'quarantined', 'incarnation')
    return [
        {
            **{name: getattr(service, name) for name in names},
            'updated_at': str(service.updated_at),
        }
        for service in objects.ServiceList.walk(context)
    ]


def _named(context: sg_context.RequestContext, host: str) -> objects.Service:
    return objects.Service(context, host=host, binary=plan.BINARY)


def _of(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: answer[name] for name in names}


def _text(error: Exception) -> str:
    return f'{type(error).__name__}: {error}'.partition('\n')[0][:300]
