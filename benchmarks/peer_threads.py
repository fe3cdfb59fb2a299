"""Makes Nova use threads, as its own programs do before any import."""

from nova import monkey_patch

monkey_patch.patch(backend='threading')
