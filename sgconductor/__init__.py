"""A service-group conductor for control planes built on the Oslo libraries.

The package runs on native threads.  oslo.service asks which backend to use
when it is first imported (and oslo.messaging imports it), so the answer is
given here, before any module below can import either.  It is only an answer:
a program that has chosen its backend already keeps it.
"""

import warnings

from oslo_service import backend as service_backend


def _backend() -> service_backend.BackendType:
    return service_backend.BackendType.THREADING


service_backend.register_backend_default_hook(_backend)

# futurist imports eventlet only to look for it, and eventlet then warns
# whoever runs the program that they should not use it.
warnings.filterwarnings('ignore', r'\s*Eventlet is deprecated')
