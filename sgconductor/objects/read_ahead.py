"""Reading pages one after the other, ahead of their use."""

import threading
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterator
from concurrent import futures
from typing import Any
from typing import NamedTuple


class Page(NamedTuple):
    """
    :ivar content: whatever was fetched
    :ivar marker: where the next page begins; None after the last one
    """

    content: Any
    marker: int | None


def pages(
    fetch: Callable[[int, int | None], Page],
    sizes: Iterator[int],
    marker: int | None = None,
) -> Generator[Any, None, None]:
    """The contents of all pages.

    While the caller uses one page, a thread already fetches the next two. A
    caller that stops early waits for the fetch that is under way.

    :param fetch: fetches a page, by its size and the marker before it
    :param sizes: of the pages; there are no more pages than sizes
    :param marker: of the first page
    """
    first_size = next(sizes)
    second_size = next(sizes, None)
    if second_size is None:
        yield fetch(first_size, marker).content
        return
    ahead = futures.ThreadPoolExecutor(1, 'read-ahead')
    caller = threading.current_thread()

    def follow(before: futures.Future[Page | None], size: int | None) -> Any:
        # Fetches run one after the other, so this one waits for nothing.
        page = before.result()
        if page is None or page.marker is None or size is None:
            return None
        return fetch(size, page.marker)

    try:
        current: futures.Future[Page | None]
        current = ahead.submit(fetch, first_size, marker)
        following = ahead.submit(follow, current, second_size)
        while (page := current.result()) is not None:
            current, following = (
                following,
                ahead.submit(follow, following, next(sizes, None)),
            )
            yield page.content
    finally:
        # After this, a connection can be closed with no call on it. A
        # generator that is found as garbage, by any thread, cannot wait.
        ahead.shutdown(
            wait=threading.current_thread() is caller, cancel_futures=True
        )
