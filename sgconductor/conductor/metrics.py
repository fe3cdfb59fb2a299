"""What a conductor worker tells Prometheus of its own work."""

from collections.abc import Iterable
from collections.abc import Iterator

from prometheus_client import core
from prometheus_client import registry

from sgconductor.conductor import beat_writer
from sgconductor.conductor import dispatcher as sg_dispatcher
from sgconductor.servicegroup import monitored_driver


class Work(registry.Collector):
    """
    :param beats: what it writes
    :param calls: what it answers
    :param drivers: those that it asks
    """

    def __init__(
        self,
        beats: beat_writer.BeatWriter,
        calls: sg_dispatcher.Dispatcher,
        drivers: Iterable[monitored_driver.MonitoredDriver],
    ) -> None:
        self._beats = beats
        self._calls = calls
        self._drivers = list(drivers)

    def collect(self) -> Iterator[core.Metric]:
        yield core.CounterMetricFamily(
            'sgconductor_beats_received',
            'Messages that came; those given back to the broker come again.',
            self._beats.received,
        )
        yield core.CounterMetricFamily(
            'sgconductor_beats_flushed',
            'Beats that were written.',
            self._beats.written,
        )
        ignored = core.CounterMetricFamily(
            'sgconductor_beats_ignored',
            'Beats that were not: of an older process or a deleted service '
            '(stale), or no beats at all (malformed).',
            labels=['reason'],
        )
        ignored.add_metric(['stale'], self._beats.ignored)
        ignored.add_metric(['malformed'], self._beats.garbage)
        yield ignored
        yield core.GaugeMetricFamily(
            'sgconductor_beats_oldest_unflushed_seconds',
            'Since when beats have come and none was written; 0 if all were.',
            self._beats.oldest(),
        )
        yield from self._beats.batch_sizes.collect()
        yield from self._beats.flush_seconds.collect()
        yield from self._calls.calls.collect()
        outages = core.CounterMetricFamily(
            'sgconductor_driver_outages',
            'How often a servicegroup driver could not be asked.',
            labels=['driver'],
        )
        for each in self._drivers:
            outages.add_metric([each.name], each.outages)
        yield outages
