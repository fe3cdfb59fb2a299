"""Field types that take only what the database and the bus can carry."""

import datetime
import re
import unicodedata
import uuid
from typing import Any

from oslo_utils import timeutils
from oslo_utils import uuidutils
from oslo_versionedobjects import fields

MAX_INT = 2**31 - 1
MAX_BIGINT = 2**63 - 1

# A name becomes a routing key and a znode's name, so neither may read it as
# anything else: no '/', no '#' or '*', no blanks, and no '.' or '..' alone.
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._:@-]*')


class Name(fields.FieldType[str]):
    """
    :ivar longest: characters. A queue's name is "topic.host" and has at
        most 255 bytes in AMQP 0-9-1.
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(
                f'{attr} must be a string, not {type(value).__name__}'
            )
        if not value:
            raise ValueError(f'{attr} must not be empty')
        if len(value) > self.longest:
            raise ValueError(
                f'{attr} has {len(value)} characters, at most '
                f'{self.longest} are allowed'
            )
        if not NAME.fullmatch(value):
            raise ValueError(
                f'{attr} {value!r:.200} must begin with a letter or a digit '
                f'and have only those and . _ : @ -'
            )
        return value


class Text(fields.FieldType[str]):
    """Words for people, of any script.

    :ivar longest: characters
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(
                f'{attr} must be a string, not {type(value).__name__}'
            )
        if len(value) > self.longest:
            raise ValueError(
                f'{attr} has {len(value)} characters, at most '
                f'{self.longest} are allowed'
            )
        if any(unicodedata.category(c) in ('Cc', 'Cs') for c in value):
            raise ValueError(f'{attr} {value!r:.200} has control characters')
        return value


class WholeNumber(fields.FieldType[int]):
    """
    :param least: the smallest value allowed
    :param most: the largest value allowed
    """

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most

    def coerce(self, obj: Any, attr: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(
                f'{attr} must be a whole number, not '
                f'{type(value).__name__} {value!r:.200}'
            )
        if not self._least <= value <= self._most:
            raise ValueError(
                f'{attr} {value} must be from {self._least} to {self._most}'
            )
        return value


class TrueOrFalse(fields.FieldType[bool]):
    """No guessing: the text 'false' is not taken for true."""

    def coerce(self, obj: Any, attr: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(
                f'{attr} must be true or false, not '
                f'{type(value).__name__} {value!r:.200}'
            )
        return value


class Uuid(fields.FieldType[str]):
    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        if not isinstance(value, str) or not uuidutils.is_uuid_like(value):
            raise ValueError(f'{attr} {value!r:.200} is not a UUID')
        return str(uuid.UUID(value))


class Moment(fields.FieldType[datetime.datetime]):
    """An aware UTC datetime that keeps its microseconds on the wire."""

    def coerce(self, obj: Any, attr: str, value: Any) -> datetime.datetime:
        if not isinstance(value, datetime.datetime):
            raise ValueError(
                f'{attr} must be a datetime, not {type(value).__name__}'
            )
        if value.tzinfo is None:
            raise ValueError(f'{attr} {value} has no time zone')
        return value.astimezone(datetime.UTC)

    def from_primitive(
        self, obj: Any, attr: str, value: Any
    ) -> datetime.datetime:
        if not isinstance(value, str):
            raise ValueError(
                f'{attr} must be an ISO 8601 string, not '
                f'{type(value).__name__}'
            )
        return timeutils.parse_isotime(value)

    def to_primitive(
        self, obj: Any, attr: str, value: datetime.datetime
    ) -> str:
        return self.stringify(value)

    def stringify(self, value: datetime.datetime) -> str:
        return f'{value.isoformat(timespec="microseconds"):.26}Z'


class NameField(fields.AutoTypedField[str]):
    AUTO_TYPE: Name


class HostField(NameField):
    AUTO_TYPE = Name(190)


class BinaryField(NameField):
    AUTO_TYPE = Name(64)


class TopicField(NameField):
    AUTO_TYPE = Name(64)


class TextField(fields.AutoTypedField[str]):
    AUTO_TYPE = Text(255)


class IdField(fields.AutoTypedField[int]):
    AUTO_TYPE = WholeNumber(1, MAX_INT)


class NumberField(fields.AutoTypedField[int]):
    AUTO_TYPE = WholeNumber(0, MAX_INT)


class CountField(fields.AutoTypedField[int]):
    AUTO_TYPE = WholeNumber(0, MAX_BIGINT)


class SecondsField(fields.AutoTypedField[int]):
    AUTO_TYPE = WholeNumber(1, 86400)


class TrueOrFalseField(fields.AutoTypedField[bool]):
    AUTO_TYPE = TrueOrFalse()


class UuidField(fields.AutoTypedField[str]):
    AUTO_TYPE = Uuid()


class MomentField(fields.AutoTypedField[datetime.datetime]):
    AUTO_TYPE = Moment()
