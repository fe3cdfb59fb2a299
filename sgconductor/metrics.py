"""Prometheus metrics of the group, exported by conductors and the API.

Names: https://prometheus.io/docs/practices/naming/
"""

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import prometheus_client
from prometheus_client import core
from prometheus_client import registry

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects

# Seconds for which what was read is served again.
_FRESH_FOR = 5.0

_KIND = ('group', 'binary')
_MARKS = ('disabled', 'forced_down', 'quarantined')


def registry_of(*collectors: registry.Collector) -> registry.CollectorRegistry:
    """A registry of these collectors and of the metrics of this process."""
    made = registry.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=made)
    for each in collectors:
        made.register(each)
    return made


class Group(registry.Collector):
    """Collects the metrics of the group, at most every few seconds.

    :param contexts: makes a context, of a conductor or of a remote caller
    """

    def __init__(
        self, contexts: Callable[[], sg_context.RequestContext]
    ) -> None:
        self._contexts = contexts
        self._lock = threading.Lock()
        self._metrics: list[core.Metric] = []
        self._fresh_until = float('-inf')

    def collect(self) -> Iterator[core.Metric]:
        with self._lock:
            # Frequent scrapes, or many, must not load the database.
            if time.monotonic() >= self._fresh_until:
                self._metrics = list(self._read())
                self._fresh_until = time.monotonic() + _FRESH_FOR
            metrics = self._metrics
        yield from metrics

    def _read(self) -> Iterator[core.Metric]:
        seen = core.GaugeMetricFamily(
            'sgconductor_group_seen',
            '1 if the last read of the group succeeded. If it is 0, all other '
            'metrics of the group are missing.',
        )
        try:
            found = [
                *self._services(),
                *self._pins(),
                *self._drivers(),
            ]
        except exception.SGConductorError:
            found = []
        seen.add_metric([], float(bool(found)))
        yield seen
        yield from found

    def _services(self) -> Iterator[core.Metric]:
        census = objects.ServiceList.census(self._contexts())
        by_state = core.GaugeMetricFamily(
            'sgconductor_services',
            'Services by their last announced state.',
            labels=[*_KIND, 'state'],
        )
        marked = core.GaugeMetricFamily(
            'sgconductor_services_marked',
            'Services that an operator has disabled, forced down or '
            'quarantined.',
            labels=[*_KIND, 'mark'],
        )
        for row in census:
            kind = [row['topic'], row['binary']]
            by_state.add_metric([*kind, row['state']], row['total'])
        for (topic, binary), counts in _sums(census).items():
            for mark in _MARKS:
                marked.add_metric([topic, binary, mark], counts[mark])
        yield by_state
        yield marked

    def _pins(self) -> Iterator[core.Metric]:
        version = core.GaugeMetricFamily(
            'sgconductor_pin_version',
            'The version in force for calls to a binary.',
            labels=['binary'],
        )
        held = core.GaugeMetricFamily(
            'sgconductor_pin_held_version',
            'The version at which an operator holds a pin.',
            labels=['binary'],
        )
        epoch = core.GaugeMetricFamily(
            'sgconductor_pins_epoch', 'The newest epoch of the pins.'
        )
        live = core.GaugeMetricFamily(
            'sgconductor_members_live',
            'Members whose process may be running and calling others.',
        )
        lagging = core.GaugeMetricFamily(
            'sgconductor_members_lagging',
            'Live members that have not confirmed the newest epoch yet.',
        )
        pins = list(objects.PinList.get_all(self._contexts()))
        for pin in pins:
            version.add_metric([pin.binary], pin.version)
            if pin.held_version is not None:
                held.add_metric([pin.binary], pin.held_version)
        if pins:
            newest = max(pins, key=lambda pin: pin.epoch)
            epoch.add_metric([], newest.epoch)
            live.add_metric([], newest.live)
            lagging.add_metric([], newest.live - newest.following)
        yield from (version, held, epoch, live, lagging)

    def _drivers(self) -> Iterator[core.Metric]:
        up = core.GaugeMetricFamily(
            'sgconductor_driver_up',
            '1 if the servicegroup driver works.',
            labels=['driver'],
        )
        compared = objects.ServiceList.compare(self._contexts(), 1)
        for driver in compared['drivers']:
            up.add_metric([driver['name']], float(not driver['trouble']))
        yield up


def _sums(
    census: list[dict[str, Any]],
) -> dict[tuple[str, str], dict[str, int]]:
    """How many services have each mark, by kind."""
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for row in census:
        kind = row['topic'], row['binary']
        counts = sums.setdefault(kind, dict.fromkeys(_MARKS, 0))
        for mark in _MARKS:
            counts[mark] += row[mark]
    return sums
