"""The history of acme-worker: the RPC version that each of its releases has.

The index is the service version, the integer that a worker joins with.
"""

from sgconductor import versions

HISTORY = versions.History(
    '1.0',  # 0 is never joined with
    '1.0',  # 1: resize
    versions.Release('1.1', name='acme 2'),  # 2: rotate, and a box to resize
)
