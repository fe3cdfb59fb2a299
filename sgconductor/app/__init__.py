"""The composition root: the only place where the parts are put together.

A project needs :func:`connect` or :func:`remote`, and the :class:`Remote`
that they return. The other parts are for sgconductor's own processes, and are
imported from their modules, so that a member loads none of them:

* :mod:`sgconductor.app.conductor`: a conductor worker
* :mod:`sgconductor.app.api`: the REST API
* :mod:`sgconductor.app.local`: the database without a conductor
* :mod:`sgconductor.app.wait`: waiting for the broker and the database
"""

from sgconductor.app.client import connect
from sgconductor.app.client import Remote
from sgconductor.app.client import remote

__all__ = ['Remote', 'connect', 'remote']
