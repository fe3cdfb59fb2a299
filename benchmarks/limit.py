"""The limit as a side: bare oslo.messaging."""

from typing import Any

from benchmarks import bare
from benchmarks import drivers
from benchmarks import sides
from sgconductor.messaging import topics


class Limit(sides.Side):
    NAME = 'limit'
    DRIVER = 'benchmarks.drive_limit'
    QUEUES = (bare.TOPIC, f'{topics.BEATS_TOPIC}.info')

    def _prepare(
        self, url: str, rows: int, **more: Any
    ) -> tuple[list[str], str]:
        return [drivers.PYTHON, '-m', 'benchmarks.bare', url], url
