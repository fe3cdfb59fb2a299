"""Doing together what several threads ask for at once."""

import threading
from collections.abc import Callable
from collections.abc import Sequence
from concurrent import futures
from typing import Generic
from typing import TypeVar

Ask = TypeVar('Ask')
Answer = TypeVar('Answer')


class Gather(Generic[Ask, Answer]):
    """Work that costs little more for many than for one.

    Who asks while nothing is under way, has it done for himself alone. What
    is asked for meanwhile is done next, all together, by one of those who
    wait; so nobody waits for company, and nothing is answered by what began
    before it was asked.

    :param most: how many are done together
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Asked[Ask, Answer]] = []
        self._led = False

    def ask(
        self,
        work: Callable[[Sequence[Ask]], Sequence[Answer | Exception]],
        one: Ask,
    ) -> Answer:
        """Have one thing done, perhaps with others.

        :param work: the same whoever asks; answers each, by its place
        :raises Exception: what ``work`` answers, or raises
        """
        mine = _Asked[Ask, Answer](one)
        with self._lock:
            self._waiting.append(mine)
            if not self._led:
                self._led = True
                mine.turn.set()
        mine.turn.wait()
        if not mine.done():
            self._lead(work)
        return mine.result()

    def _lead(
        self,
        work: Callable[[Sequence[Ask]], Sequence[Answer | Exception]],
    ) -> None:
        """Do what waits, the first of which is one's own."""
        with self._lock:
            batch = self._waiting[: self._most]
            del self._waiting[: self._most]
        try:
            answers = work([asked.one for asked in batch])
        except Exception as error:
            answers = [error] * len(batch)
        finally:
            with self._lock:
                self._led = bool(self._waiting)
                if self._led:
                    self._waiting[0].turn.set()
        for asked, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                asked.set_exception(answer)
            else:
                asked.set_result(answer)
            asked.turn.set()


class _Asked(futures.Future[Answer], Generic[Ask, Answer]):
    """
    :ivar turn: set when it is answered, or is to lead
    """

    def __init__(self, one: Ask) -> None:
        super().__init__()
        self.one = one
        self.turn = threading.Event()
