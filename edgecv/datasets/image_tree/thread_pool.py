"""Work on ranges in threads: Pillow and zlib release the interpreter while they decode."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from edgecv.core.plugins import Progress

Result = TypeVar("Result")
BATCH = 64
SMALL_BYTES = 1_024
"""Size of an item below which switching threads costs more than a second thread gains."""


def in_batches(
    count: int, work: Callable[[range], Result], progress: Progress, bytes_each: int
) -> list[Result]:
    """Call ``work`` with ranges that cover ``range(count)``; return the results in order.

    ``bytes_each`` is the approximate size of an item. Threads and not processes: for 55,000 tiny
    JPEGs two processes halve 5 seconds, once, but a spawned process runs the caller's script again
    and a forked one inherits TensorFlow's locks. ``progress`` is called from this thread.
    """
    ranges = [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
    threads = 1 if bytes_each < SMALL_BYTES else os.cpu_count()
    done = 0
    progress(done, count)
    with ThreadPoolExecutor(threads) as pool:
        futures = {pool.submit(work, rows): rows for rows in ranges}
        try:
            for future in as_completed(futures):
                future.result()
                done += len(futures[future])
                progress(done, count)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]
