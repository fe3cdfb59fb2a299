"""A value that programs and people are shown differently."""

from typing import Any

from cliff import columns


class Dual(columns.FormattableColumn[Any]):
    """A value for programs, and words for people."""

    def __init__(self, value: Any, words: str) -> None:
        super().__init__(value)
        self._words = words

    def human_readable(self) -> str:
        return self._words
