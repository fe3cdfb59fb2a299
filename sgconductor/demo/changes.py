"""The changes of the group between two refreshes."""

from collections.abc import Iterable
from collections.abc import Mapping

from sgconductor import objects
from sgconductor.demo import fleet


class Changes:
    """Compares the group with what it was at the last call."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], str] = {}
        self._pins: dict[str, int] = {}

    def of_services(self, services: Iterable[objects.Service]) -> list[str]:
        """A line for each service that went up or down since the last call."""
        lines = []
        for service in services:
            key = (service.host, service.binary)
            before = self._states.get(key, 'new')
            now = 'up' if service.is_up else 'down'
            if now != before:
                text = f'{before} -> {now}  {service.liveness_reason}'
                lines.append(fleet.line(*key, text.rstrip()))
            self._states[key] = now
        return lines

    def of_pins(self, epoch: int, versions: Mapping[str, int]) -> list[str]:
        """A line for each pin that moved since the last call."""
        lines = [
            f'pin of {binary}: {self._pins[binary]} -> {version}, '
            f'epoch {epoch}'
            for binary, version in versions.items()
            if version != self._pins.get(binary, version)
        ]
        self._pins = dict(versions)
        return lines
