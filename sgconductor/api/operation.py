"""An operation: what is done for a method of a path."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from microversion_parse import Version

from sgconductor import context as sg_context
from sgconductor.api import json_schema

_NOTHING = json_schema.closed()


@dataclasses.dataclass(frozen=True)
class Call:
    """One request, after all checks.

    :ivar query: its parameters, as the operation's schema has them
    :ivar body: of JSON, likewise; None for an operation without one
    :ivar microversion: under ``/v2.1``; None elsewhere
    :ivar url: of the application itself, without a slash at the end
    :ivar headers: in lower case
    """

    context: sg_context.RequestContext
    query: Mapping[str, Any]
    body: Any
    microversion: Version | None
    url: str
    path: str
    headers: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Content:
    """An answer that is no JSON.

    :ivar body: as a whole, or piece by piece
    """

    type: str
    body: bytes | Iterable[bytes]
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Operation:
    """
    :ivar path: with parameters in braces
    :ivar handle: gets the call, and the path's parameters as texts; returns
        what becomes the JSON of the answer, or a :class:`Content`
    :ivar rule: of the policy, that says who may
    :ivar query: the schema of the query
    :ivar body: the schema of the body; None for no body
    :ivar status: of an answer that went well
    :ivar answer: the schema of that answer; None for no body
    """

    method: str
    path: str
    handle: Callable[..., Any]
    rule: str
    summary: str
    query: json_schema.Schema | json_schema.History = dataclasses.field(
        default_factory=lambda: _NOTHING
    )
    body: json_schema.Schema | json_schema.History | None = None
    status: int = 200
    answer: json_schema.Schema | None = None
