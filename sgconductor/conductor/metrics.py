"""The metrics of a conductor worker: beats, RPC calls and drivers."""

from collections.abc import Iterable
from collections.abc import Iterator

from prometheus_client import core
from prometheus_client import registry

from sgconductor.conductor import beat_writer
from sgconductor.conductor import dispatcher as sg_dispatcher
from sgconductor.conductor import write_state
from sgconductor.servicegroup import monitored_driver


class WorkerMetrics(registry.Collector):
    """
    :param beats: the worker's beat writer
    :param calls: the worker's dispatcher
    :param state: whether the worker can write
    :param drivers: the servicegroup drivers that the worker asks
    """

    def __init__(
        self,
        beats: beat_writer.BeatWriter,
        calls: sg_dispatcher.Dispatcher,
        state: write_state.WriteState,
        drivers: Iterable[monitored_driver.MonitoredDriver],
    ) -> None:
        self._beats = beats
        self._calls = calls
        self._state = state
        self._drivers = list(drivers)

    def collect(self) -> Iterator[core.Metric]:
        yield core.CounterMetricFamily(
            'sgconductor_beats_received',
            'Messages received; those given back to the broker count again.',
            self._beats.received,
        )
        yield core.CounterMetricFamily(
            'sgconductor_beats_flushed',
            'Beats written to the database.',
            self._beats.written,
        )
        ignored = core.CounterMetricFamily(
            'sgconductor_beats_ignored',
            'Beats not written: of an older process or of a deleted service '
            '(stale), or messages that are not beats (malformed).',
            labels=['reason'],
        )
        ignored.add_metric(['stale'], self._beats.stale)
        ignored.add_metric(['malformed'], self._beats.malformed)
        yield ignored
        yield core.GaugeMetricFamily(
            'sgconductor_beats_oldest_unflushed_seconds',
            'Age of the oldest unwritten beat; 0 if all are written.',
            self._beats.unwritten_seconds(),
        )
        yield from self._beats.batch_sizes.collect()
        yield from self._beats.flush_seconds.collect()
        yield from self._calls.calls.collect()
        yield core.GaugeMetricFamily(
            'sgconductor_worker_takes_nothing',
            '1 while the worker takes no calls and no beats, because it '
            'cannot write to its database; else 0.',
            int(self._state.is_failed),
        )
        outages = core.CounterMetricFamily(
            'sgconductor_driver_outages',
            'How often a servicegroup driver could not be asked.',
            labels=['driver'],
        )
        for driver in self._drivers:
            outages.add_metric([driver.name], driver.outages)
        yield outages
