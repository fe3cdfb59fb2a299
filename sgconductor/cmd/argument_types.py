"""Types of command-line arguments."""

import argparse
import math


def positive_number(text: str) -> float:
    """A finite number above 0.

    :raises argparse.ArgumentTypeError: for any other text
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(
            f'give a number greater than 0, not {text!r}'
        )
    return number
