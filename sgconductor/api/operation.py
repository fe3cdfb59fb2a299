"""An operation: one method of one path, and the function that handles it."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from microversion_parse import Version

from sgconductor import context as sg_context
from sgconductor.api import json_schema

_NO_QUERY = json_schema.closed()


@dataclasses.dataclass(frozen=True)
class Call:
    """One request, authorized and validated.

    :ivar query: its parameters, converted as the operation's schema says
    :ivar body: the value of its JSON; None for an operation without a body
    :ivar microversion: under ``/v2.1``; None elsewhere
    :ivar url: of the application itself, without a slash at the end
    :ivar headers: their names in lower case
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
    """The body of an answer that is not JSON.

    :ivar body: all of it, or an iterable of pieces that are sent as they come
    """

    type: str
    body: bytes | Iterable[bytes]
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Operation:
    """
    :ivar path: a URI template, with its parameters in braces
    :ivar handle: takes the call, and the path's parameters as strings;
        returns the value for the JSON of the answer, or a :class:`Content`
    :ivar rule: the policy rule that allows it
    :ivar query: the schema of the query
    :ivar body: the schema of the body; None for no body
    :ivar status: of an answer without an error
    :ivar answer: the schema of that answer; None if it is not JSON
    :ivar answer_type: its media type
    :ivar looks_up: whether its query names things, so that the answer is 404
        if they do not exist; a parameter in the path always does
    """

    method: str
    path: str
    handle: Callable[..., Any]
    rule: str
    summary: str
    query: json_schema.Schema | json_schema.History = dataclasses.field(
        default_factory=lambda: _NO_QUERY
    )
    body: json_schema.Schema | json_schema.History | None = None
    status: int = 200
    answer: json_schema.Schema | None = None
    answer_type: str = 'application/json'
    looks_up: bool = False
