"""The history of acme-worker: the RPC version that each of its releases has.

The index is the service version, the integer that a worker joins with.
"""

HISTORY = (
    '1.0',  # 0 is never joined with
    '1.0',  # 1: resize
)

SERVICE_VERSION = len(HISTORY) - 1
RPC_VERSION = HISTORY[SERVICE_VERSION]
