"""Seconds, as a command line gives them."""

import argparse
import math


def positive(text: str) -> float:
    """The number in ``text``.

    :raises argparse.ArgumentTypeError: unless it is finite and above 0
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(
            f'give a number greater than 0, not {text!r}'
        )
    return seconds
