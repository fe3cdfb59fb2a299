"""The fast codec: objects made and serialized without a check of each value.

It is for values that come from our own table, or from a conductor. The
library coerces and converts them one by one, which takes ten times as long
and gives the same result. Only this module relies on how the library stores
an object's values.
"""

import datetime
import functools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from sgconductor.objects import base
from sgconductor.objects import fields

# Fields whose values are the same on the wire as in an object.
_PLAIN = (
    fields.BinaryField,
    fields.CountField,
    fields.HostField,
    fields.IdField,
    fields.NumberField,
    fields.SecondsField,
    fields.TextField,
    fields.TopicField,
    fields.TrueOrFalseField,
    fields.UuidField,
    ovo_fields.EnumField,
    ovo_fields.StringField,
)


_MOMENT = fields.Moment()


class _Names(NamedTuple):
    """The fields of a class, as the codec uses them.

    :ivar attributes: the attribute that stores each field, by field name
    :ivar moments: the indexes of the fields that are moments
    :ivar objects: the names of the fields that are lists of objects
    :ivar known: whether all other fields are plain
    """

    attributes: dict[str, str]
    moments: list[int]
    objects: list[str]
    known: bool


class Flat(base.SGObject):
    """An object none of whose fields is an object.

    Its primitive is made by the fast codec wherever that is possible.
    """

    def obj_to_primitive(
        self,
        target_version: str | None = None,
        version_manifest: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        version = target_version or self.VERSION
        data = _data(self)
        if data is not None and (
            version == self.VERSION
            or version == base.older(version, self.VERSION)
        ):
            return primitive(type(self), data, version)
        return super().obj_to_primitive(target_version, version_manifest)


def values(obj: base.SGObject) -> dict[str, Any]:
    """The values that are set, by field name.

    They are the object's own: the values of our fields are never changed in
    place.
    """
    cls: Any = type(obj)
    kept = obj.__dict__
    return {
        name: kept[attribute]
        for name, attribute in _names(cls).attributes.items()
        if attribute in kept
    }


def fill(obj: base.SGObject, data: Mapping[str, Any]) -> None:
    """Set all fields; none counts as changed.

    :param data: the values on the wire of all fields, by name; other names
        are ignored
    """
    cls: Any = type(obj)
    names = _names(cls)
    values = list(map(data.__getitem__, names.attributes))
    _set(obj, names.attributes.values(), values, names.moments)


def maker(
    cls: type[base.SGObject], context: Any, names: Sequence[str]
) -> Callable[[Sequence[Any]], base.SGObject]:
    """A function that makes objects with these fields set.

    :returns: takes the values on the wire, in the order of ``names``
    """
    key: Any = cls
    kept = _names(key).attributes
    attributes = [kept[name] for name in names]
    moments = [
        i
        for i, name in enumerate(names)
        if isinstance(cls.fields[name], fields.MomentField)
    ]

    def make(row: Sequence[Any]) -> base.SGObject:
        obj = cls(context)
        _set(obj, attributes, list(row), moments)
        return obj

    return make


def primitive(
    cls: type[base.SGObject], data: Mapping[str, Any], version: str
) -> dict[str, Any]:
    """The primitive that ``obj_to_primitive`` would make of an object.

    :param data: the values on the wire of all fields, by name; other names
        are ignored
    :param version: that of the class, or an older one
    """
    key: Any = cls
    return {
        'versioned_object.name': cls.obj_name(),
        'versioned_object.namespace': cls.OBJ_PROJECT_NAMESPACE,
        'versioned_object.version': version,
        'versioned_object.data': {
            name: data[name] for name in _in_version(key, version)
        },
    }


def load(context: Any, primitive: Any) -> base.SGObject | None:
    """The object that a conductor has sent as a primitive.

    :returns: None for anything but an object of our own version with all of
        its fields: that is left to the library
    """
    cls = _class(primitive)
    if cls is None:
        return None
    data = primitive['versioned_object.data']
    names = _names(cls)
    if not names.objects:
        return _load(cls, context, data)
    parts = data['objects']
    if (
        not issubclass(cls, ovo_base.ObjectListBase)
        or not isinstance(parts, list)
        or any(_class(part) is None for part in parts)
    ):
        return None
    listed: base.SGObject = cls(
        context, objects=[_load_part(context, p) for p in parts]
    )
    listed.obj_reset_changes()
    return listed


def _load_part(context: Any, part: Any) -> Any:
    made = load(context, part)
    if made is None:
        made = base.Serializer().deserialize_entity(context, part)
    return made


def _set(
    obj: base.SGObject,
    attributes: Iterable[str],
    values: list[Any],
    moments: Iterable[int],
) -> None:
    """Store values on the wire as those of an object.

    :param moments: the indexes of those that are moments
    """
    for i in moments:
        if values[i] is not None:
            values[i] = datetime.datetime.fromisoformat(values[i])
    obj.__dict__.update(zip(attributes, values, strict=True))
    obj._changed_fields = set()


def _load(
    cls: type[base.SGObject], context: Any, data: Mapping[str, Any]
) -> base.SGObject | None:
    obj = cls(context)
    try:
        fill(obj, data)
    except (TypeError, ValueError):
        return None
    return obj


def _data(obj: base.SGObject) -> dict[str, Any] | None:
    """All values on the wire; None unless all are set and none changed."""
    if obj._changed_fields:
        return None
    cls: Any = type(obj)
    names = _names(cls)
    kept = obj.__dict__
    try:
        values = [kept[attribute] for attribute in names.attributes.values()]
    except KeyError:
        return None
    for i in names.moments:
        if values[i] is not None:
            values[i] = _MOMENT.stringify(values[i])
    return dict(zip(names.attributes, values, strict=True))


@functools.cache
def _names(cls: type[base.SGObject]) -> _Names:
    def of(*kinds: type) -> list[str]:
        items = cls.fields.items()
        return [name for name, field in items if isinstance(field, kinds)]

    known = of(*_PLAIN, fields.MomentField, ovo_fields.ListOfObjectsField)
    return _Names(
        {name: ovo_base._get_attrname(name) for name in cls.fields},
        [list(cls.fields).index(name) for name in of(fields.MomentField)],
        of(ovo_fields.ListOfObjectsField),
        len(known) == len(cls.fields),
    )


@functools.lru_cache
def _in_version(cls: type[base.SGObject], version: str) -> list[str]:
    later = cls.added_since(version)
    return [name for name in cls.fields if name not in later]


def _class(primitive: Any) -> Any:
    """The class of a primitive that :func:`load` can load, or None."""
    try:
        cls = _newest(
            primitive['versioned_object.name'],
            primitive['versioned_object.version'],
            primitive['versioned_object.namespace'],
        )
        data = primitive['versioned_object.data']
        if (
            cls is None
            or data.keys() != cls.fields.keys()
            or 'versioned_object.changes' in primitive
        ):
            return None
    except (AttributeError, KeyError, TypeError):
        return None
    return cls


@functools.lru_cache
def _newest(name: str, version: str, namespace: str) -> Any:
    """The newest class of a name, if it has this version."""
    classes = ovo_base.VersionedObjectRegistry.obj_classes().get(name, [])
    found: Any = next(iter(classes), ovo_base.VersionedObject)
    if (
        not issubclass(found, base.SGObject)
        or version != found.VERSION
        or namespace != found.OBJ_PROJECT_NAMESPACE
        or not _names(found).known
    ):
        return None
    return found
