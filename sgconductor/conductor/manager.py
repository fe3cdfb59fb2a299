"""The conductor's RPC endpoint: it runs methods of objects for callers."""

import functools
import inspect
import re
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_versionedobjects import base as ovo_base

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.conductor import arguments
from sgconductor.objects import base
from sgconductor.objects import fast_codec

_VERSION = re.compile(r'[0-9]{1,9}[.][0-9]{1,9}([.][0-9]{1,9})?')


class ConductorManager:
    """Answers :class:`sgconductor.rpcapi.conductor.ConductorAPI`.

    Older and newer releases call each other during an upgrade. So within a
    major version of an object, its remotable methods get no new arguments;
    a mapping that they return may get new keys.
    """

    target = messaging.Target(version='1.0')

    @messaging.expose  # type: ignore[untyped-decorator]
    def object_class_action_versions(
        self,
        context: sg_context.RequestContext,
        objname: Any = None,
        objmethod: Any = None,
        object_versions: Any = None,
        args: Any = None,
        kwargs: Any = None,
        **unknown: Any,
    ) -> Any:
        """Run a class method and answer in the caller's versions.

        :param object_versions: the versions of the objects that the caller
            knows, by name
        """
        _refuse(unknown)
        versions = _manifest(object_versions)
        if not isinstance(objname, str) or objname not in versions:
            raise exception.InvalidInput(
                f'object_versions has no version of {objname}'
            )
        cls = base.SGObject.newest(objname, versions[objname])
        method = _remotable(cls, objmethod, of_class=True)
        result = _run(method, (context, *_list(args)), _dict(kwargs))
        if isinstance(result, ovo_base.VersionedObject):
            return _backport(result, versions)
        return result

    @messaging.expose  # type: ignore[untyped-decorator]
    def object_action(
        self,
        context: sg_context.RequestContext,
        objinst: Any = None,
        objmethod: Any = None,
        args: Any = None,
        kwargs: Any = None,
        **unknown: Any,
    ) -> tuple[dict[str, Any], Any]:
        """Run a method of an object.

        :returns: the primitives of the fields that the method set, with
            ``obj_what_changed``, and the method's result
        """
        _refuse(unknown)
        if not isinstance(objinst, base.SGObject):
            raise exception.InvalidInput(
                f'objinst must be an object, not {type(objinst).__name__}'
            )
        method = _remotable(objinst, objmethod, of_class=False)
        before = fast_codec.values(objinst)
        result = _run(method, _list(args), _dict(kwargs))
        later = objinst.added_since(objinst.VERSION)
        updates: dict[str, Any] = {
            name: objinst.fields[name].to_primitive(objinst, name, value)
            for name, value in fast_codec.values(objinst).items()
            if name not in later
            and (name not in before or before[name] != value)
        }
        updates['obj_what_changed'] = sorted(objinst.obj_what_changed())
        return updates, result

    @messaging.expose  # type: ignore[untyped-decorator]
    def object_backport_versions(
        self,
        context: sg_context.RequestContext,
        objinst: Any = None,
        object_versions: Any = None,
        **unknown: Any,
    ) -> Any:
        """The primitive of an object in the caller's versions.

        :raises InvalidInput: if the caller wants a newer version than the
            object has: objects are only ported back
        """
        _refuse(unknown)
        if not isinstance(objinst, base.SGObject):
            raise exception.InvalidInput(
                f'objinst must be an object, not {type(objinst).__name__}'
            )
        versions = _manifest(object_versions)
        name = objinst.obj_name()
        wanted = versions.get(name, objinst.VERSION)
        # An object within it may be of an older conductor; it stays so.
        for one in base.tree(objinst):
            inner = one.obj_name()
            if one is not objinst and inner in versions:
                versions[inner] = base.older(versions[inner], one.VERSION)
        primitive = _backport(objinst, versions)
        if primitive['versioned_object.version'] != wanted:
            raise exception.InvalidInput(
                f'{name} {objinst.VERSION} cannot become {name} {wanted}: '
                f'objects are only ported back. If it was newer when it was '
                f'sent, this conductor is too old: upgrade the conductors '
                f'first.'
            )
        return primitive


def _refuse(unknown: Mapping[str, Any]) -> None:
    """Refuse arguments that this release does not know.

    :raises InvalidInput: naming them
    """
    if unknown:
        raise exception.InvalidInput(
            f'this conductor does not know the arguments '
            f'{", ".join(sorted(map(str, unknown))):.200}'
        )


def _backport(
    obj: ovo_base.VersionedObject, versions: dict[str, str]
) -> dict[str, Any]:
    known = dict(_newest(obj.obj_name()))
    # An object is never ported forward.
    known[obj.obj_name()] = obj.VERSION
    agreed = {}
    for name, theirs in versions.items():
        if name in known:
            base.SGObject.newest(name, theirs)
            agreed[name] = base.older(theirs, known[name])
    return obj.obj_to_primitive(
        target_version=agreed.get(obj.obj_name(), obj.VERSION),
        version_manifest=agreed,
    )


@functools.cache
def _newest(name: str) -> dict[str, str]:
    """The newest versions of an object and of the objects within it."""
    return ovo_base.obj_tree_get_versions(name)


def _remotable(owner: Any, name: Any, of_class: bool) -> Any:
    # The name comes from a caller: it may reach only remotable methods.
    cls = owner if of_class else type(owner)
    method = getattr(cls, name, None) if isinstance(name, str) else None
    if (
        not getattr(method, 'remotable', False)
        or inspect.ismethod(method) != of_class
    ):
        raise exception.NotRemotable(cls.obj_name(), str(name))
    return getattr(owner, name)


def _run(
    method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    arguments.check(method.__qualname__, method, args, kwargs)
    return method(*args, **kwargs)


def _manifest(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(version, str) and _VERSION.fullmatch(version)
        for version in value.values()
    ):
        raise exception.InvalidInput(
            f'object_versions must map names of objects to versions, not '
            f'{value!r:.200}'
        )
    return dict(value)


def _list(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise exception.InvalidInput(
            f'args must be a list, not {type(value).__name__}'
        )
    return tuple(value)


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise exception.InvalidInput(
            f'kwargs must be a mapping, not {type(value).__name__}'
        )
    return value
