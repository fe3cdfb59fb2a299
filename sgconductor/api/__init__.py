"""The REST API, a WSGI application: a remote caller of the conductor.

Each noun has a module, such as :mod:`~sgconductor.api.services`, in which
its operations stand beside the functions that handle them;
:mod:`~sgconductor.api.routes` joins them into one API.

A request passes :mod:`~sgconductor.api.authenticators` (who sends it),
:mod:`~sgconductor.api.microversion` (under ``/v2.1``: which microversion),
:mod:`~sgconductor.api.policies` (whether it is allowed) and
:mod:`~sgconductor.api.json_schema` (whether it is valid). Then it becomes a
:class:`~sgconductor.api.operation.Call`, which the operation handles.
"""
