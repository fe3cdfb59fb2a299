"""The REST API, a WSGI application: a remote caller of the conductor.

:mod:`~sgconductor.api.routes` has all of it on one screen. What a request
goes through: :mod:`~sgconductor.api.authenticators` say who asks,
:mod:`~sgconductor.api.microversion` which microversion is meant,
:mod:`~sgconductor.api.policies` if it is allowed,
:mod:`~sgconductor.api.schema` if it can be taken; then it is a
:class:`~sgconductor.api.operation.Call` of a function of the noun's module.
"""
