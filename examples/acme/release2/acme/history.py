"""The history of acme-worker: the RPC version of each of its releases.

The index is the service version, with which a worker joins.
"""

from sgconductor import versions

HISTORY = versions.History(
    '1.0',  # 0: no release has it
    '1.0',  # 1: resize
    versions.Release('1.1', name='acme 2'),  # 2: rotate, and a box to resize
)
