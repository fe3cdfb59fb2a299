"""Doing together what several threads ask for at once."""

import threading
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

Ask = TypeVar('Ask')
Answer = TypeVar('Answer')


class Gather:
    """Work that costs little more for many than for one.

    Who asks while nothing is under way has it done for himself alone. What is
    asked for meanwhile is done next, together, by one of those who wait. So
    nobody waits for company, and nothing is answered by what began before it
    was asked.

    :param most: how many are done together
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Asked] = []
        self._led = False

    def ask(
        self,
        work: Callable[[Sequence[Ask]], Sequence[Answer | Exception]],
        one: Ask,
    ) -> Answer:
        """Have one thing done, perhaps with others.

        :param work: the same whoever asks; answers each, in order
        :raises Exception: what ``work`` answers, or raises
        """
        mine = _Asked(one)
        with self._lock:
            self._waiting.append(mine)
            leads, self._led = not self._led, True
        if not leads:
            mine.turn.acquire()
        if not mine.done:
            self._lead(work)
        if isinstance(mine.answer, Exception):
            raise mine.answer
        answer: Answer = mine.answer
        return answer

    def _lead(
        self,
        work: Callable[[Sequence[Ask]], Sequence[Answer | Exception]],
    ) -> None:
        """Do what waits, the first of which is one's own."""
        with self._lock:
            batch = self._waiting[: self._most]
            del self._waiting[: self._most]
        ended = RuntimeError('the thread that did it has been ended')
        answers: Sequence[Answer | Exception] = [ended] * len(batch)
        try:
            found = work([asked.one for asked in batch])
            answers = [one for _, one in zip(batch, found, strict=True)]
        except Exception as error:
            answers = [error] * len(batch)
        finally:
            with self._lock:
                self._led = bool(self._waiting)
                if self._led:
                    self._waiting[0].turn.release()
            for asked, answer in zip(batch, answers, strict=True):
                asked.done, asked.answer = True, answer
                asked.turn.release()


class _Asked:
    """
    :ivar turn: released when it is done, or when its thread is to lead
    """

    def __init__(self, one: Any) -> None:
        self.one = one
        self.turn = threading.Lock()
        self.turn.acquire()
        self.done = False
        self.answer: Any = None
