"""The tests.

sgconductor comes first, so that it is what picks oslo.service's backend.
"""

import sgconductor  # noqa: F401
