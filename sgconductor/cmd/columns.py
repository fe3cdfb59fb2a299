"""Values that programs and people are shown differently."""

from typing import Any

from cliff import columns


class Formatted(columns.FormattableColumn[Any]):
    """A value for programs, with a text for people."""

    def __init__(self, value: Any, text: str) -> None:
        super().__init__(value)
        self._text = text

    def human_readable(self) -> str:
        return self._text
