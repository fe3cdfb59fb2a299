"""Group commit: concurrent requests share one transaction."""

import threading
from collections.abc import Callable
from collections.abc import Sequence
from typing import Generic
from typing import TypeVar

Request = TypeVar('Request')
Answer = TypeVar('Answer')


class GroupCommit(Generic[Request, Answer]):
    """Runs work that costs little more for many requests than for one.

    The first caller runs at once; later ones are batched, and one of them
    runs the next batch. So nobody waits for more requests to come, and no
    request is answered by work that began before it was made.

    :param work: answers requests, in order; an answer may be the error of
        its request
    :param most: the largest batch
    """

    def __init__(
        self,
        work: Callable[[Sequence[Request]], Sequence[Answer | Exception]],
        most: int,
    ) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Waiter[Request, Answer]] = []
        self._running = False

    def submit(self, request: Request) -> Answer:
        """Have one request answered, perhaps together with others.

        :raises Exception: what ``work`` answers for it, or raises
        """
        mine = _Waiter[Request, Answer](request)
        with self._lock:
            self._waiting.append(mine)
            leads, self._running = not self._running, True
        if not leads:
            mine.turn.acquire()
        if mine.answer is None:
            self._run_batch()
        assert mine.answer is not None
        if mine.answer.error is not None:
            raise mine.answer.error
        return mine.answer.value()

    def _run_batch(self) -> None:
        """Run the next batch, whose first request is the caller's own."""
        with self._lock:
            batch = self._waiting[: self._most]
            del self._waiting[: self._most]
        ended = RuntimeError('the thread that ran this batch was ended')
        answers: Sequence[Answer | Exception] = [ended] * len(batch)
        try:
            found = self._work([waiter.request for waiter in batch])
            answers = [one for _, one in zip(batch, found, strict=True)]
        except Exception as error:
            answers = [error] * len(batch)
        finally:
            with self._lock:
                self._running = bool(self._waiting)
                if self._running:
                    self._waiting[0].turn.release()
            for waiter, answer in zip(batch, answers, strict=True):
                waiter.answer = _Answered(answer)
                waiter.turn.release()


class _Answered(Generic[Answer]):
    """
    :ivar error: to raise; None if there is a value
    """

    def __init__(self, answer: Answer | Exception) -> None:
        self._answer = answer
        self.error = answer if isinstance(answer, Exception) else None

    def value(self) -> Answer:
        assert not isinstance(self._answer, Exception)
        return self._answer


class _Waiter(Generic[Request, Answer]):
    """
    :ivar turn: released when there is an answer, or when this caller is to
        run the next batch
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.turn = threading.Lock()
        self.turn.acquire()
        self.answer: _Answered[Answer] | None = None
