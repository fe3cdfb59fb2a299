"""The base of all objects: where methods run, and how versions agree."""

import functools
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import ClassVar
from typing import Self

from oslo_utils import versionutils
from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import exception as ovo_exc

from sgconductor import context as sg_context
from sgconductor import exception

# What a malformed primitive can raise while it is read.
_MALFORMED = (AttributeError, KeyError, OverflowError, TypeError, ValueError)


class ByContext(ovo_base.VersionedObjectIndirectionAPI):
    """Runs remotable methods: here with a backend, else in a conductor.

    The context decides, not a process-wide switch, so a conductor and its
    remote callers can live in one process.
    """

    def object_class_action_versions(
        self,
        context: sg_context.RequestContext,
        objname: str,
        objmethod: str,
        object_versions: dict[str, str],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if context.conductor is not None:
            return context.conductor.object_class_action_versions(
                context, objname, objmethod, object_versions, args, kwargs
            )
        cls = SGObject.obj_class_from_name(objname, object_versions[objname])
        original = getattr(cls, objmethod).original_fn
        return original(cls, context, *args, **kwargs)

    def object_action(
        self,
        context: sg_context.RequestContext,
        objinst: ovo_base.VersionedObject,
        objmethod: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> tuple[dict[str, Any], Any]:
        if context.conductor is not None:
            return context.conductor.object_action(
                context, objinst, objmethod, args, kwargs
            )
        original = getattr(type(objinst), objmethod).original_fn
        result = original(objinst, *args, **kwargs)
        # The remotable wrapper sets the changed fields to just these.
        return {'obj_what_changed': objinst.obj_what_changed()}, result

    def object_backport_versions(
        self,
        context: sg_context.RequestContext,
        objinst: Any,
        object_versions: dict[str, str],
    ) -> Any:
        if context.conductor is not None:
            return context.conductor.object_backport_versions(
                context, objinst, object_versions
            )
        return SGObject.obj_from_primitive(_narrow(objinst), context=context)

    def object_class_action(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def object_backport(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class SGObject(ovo_base.VersionedObject):
    """The base of all objects.

    :cvar ADDED: the version that added a field, for each field that version
        1.0 lacks
    """

    OBJ_PROJECT_NAMESPACE = 'sgconductor'
    indirection_api = ByContext()
    ADDED: ClassVar[Mapping[str, str]] = {}

    def obj_make_compatible(
        self, primitive: dict[str, Any], target_version: str
    ) -> None:
        """Drop from ``primitive`` the fields that the target version lacks."""
        super().obj_make_compatible(primitive, target_version)
        for name in self.added_since(target_version):
            primitive.pop(name, None)

    def obj_load_attr(self, attrname: str) -> None:
        """Refuse to load a field: nothing is fetched implicitly.

        :raises InvalidInput: always
        """
        raise exception.InvalidInput(
            f'{self.obj_name()} {self.VERSION} has no {attrname} set'
        )

    @classmethod
    def named(cls, context: sg_context.RequestContext, **key: Any) -> Self:
        """An object of which only the key is set; nothing is read.

        :param key: the fields that name it
        :raises InvalidInput: for a value that no such object can have
        """
        return cls(context, **take(cls, key))

    @classmethod
    @functools.lru_cache
    def added_since(cls, version: str) -> frozenset[str]:
        """The fields that came after a version."""
        then = versionutils.convert_version_to_tuple(version)
        return frozenset(
            name
            for name, since in cls.ADDED.items()
            if versionutils.convert_version_to_tuple(since) > then
        )

    @classmethod
    def newest(
        cls, objname: str, version: str
    ) -> type[ovo_base.VersionedObject]:
        """The class for callers that know a version, older or newer.

        :raises UnsupportedObjectError: for a name that is not ours
        :raises IncompatibleObjectVersion: for another major version
        """
        try:
            return cls.obj_class_from_name(objname, version)
        except ovo_exc.IncompatibleObjectVersion:
            ours = ovo_base.VersionedObjectRegistry.obj_classes()[objname][0]
            if _major(version) != _major(ours.VERSION):
                raise
            return ours


class Serializer(ovo_base.VersionedObjectSerializer):
    """The library's serializer, with one clear error for a bad primitive."""

    OBJ_BASE_CLASS = SGObject

    def serialize_entity(self, context: Any, entity: Any) -> Any:
        if isinstance(entity, dict) and 'versioned_object.name' in entity:
            # It is a primitive already.
            return entity
        return super().serialize_entity(context, entity)

    def deserialize_entity(self, context: Any, entity: Any) -> Any:
        """
        :raises InvalidInput: if ``entity`` is malformed
        :raises UnsupportedObjectError: if it is not one of our objects
        :raises IncompatibleObjectVersion: if it is of another major version
        """
        if (
            isinstance(entity, dict)
            and 'versioned_object.name' in entity
            and not isinstance(entity.get('versioned_object.data'), dict)
        ):
            raise exception.InvalidInput('a malformed object: it has no data')
        try:
            return super().deserialize_entity(context, entity)
        except _MALFORMED as error:
            raise exception.InvalidInput(
                f'a malformed object: {type(error).__name__}: {error}'
            ) from None


def take(cls: type[SGObject], values: dict[str, Any]) -> dict[str, Any]:
    """The values, coerced by the class's fields.

    :raises InvalidInput: for a value that its field does not take
    """
    return {
        name: coerce(cls.fields[name], name, value)
        for name, value in values.items()
    }


def coerce(kind: Any, name: str, value: Any) -> Any:
    """An argument, coerced by a field or its type.

    :raises InvalidInput: for a value that it does not take
    """
    try:
        return kind.coerce(None, name, value)
    except ValueError as error:
        raise exception.InvalidInput(str(error)) from None


def tree(value: Any) -> Iterator[ovo_base.VersionedObject]:
    """An object and all objects within it, or those in a collection."""
    if isinstance(value, ovo_base.VersionedObject):
        yield value
        for name in value.fields:
            if value.obj_attr_is_set(name):
                yield from tree(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from tree(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from tree(item)


@functools.lru_cache
def older(theirs: str, ours: str) -> str:
    """The older of two versions: objects are only ever ported back."""
    return min(theirs, ours, key=versionutils.convert_version_to_tuple)


def _narrow(value: Any) -> Any:
    """A newer caller's object, and all within it, as this conductor knows it.

    Within a major version fields are only ever added, so a field that this
    conductor does not know can be dropped, unless the caller has just set it.
    """
    if isinstance(value, list):
        return [_narrow(item) for item in value]
    if not isinstance(value, dict):
        return value
    narrowed = {key: _narrow(item) for key, item in value.items()}
    if 'versioned_object.name' not in value:
        return narrowed
    name = value['versioned_object.name']
    theirs = value['versioned_object.version']
    ours = SGObject.newest(name, theirs)
    unknown = set(value.get('versioned_object.changes') or ()) - set(
        ours.fields
    )
    if unknown:
        raise exception.UnknownField(
            name, theirs, ours.VERSION, sorted(unknown)
        )
    narrowed['versioned_object.version'] = older(theirs, ours.VERSION)
    return narrowed


def _major(version: str) -> int:
    return versionutils.convert_version_to_tuple(version)[0]
