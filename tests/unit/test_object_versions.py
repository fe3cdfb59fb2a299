"""The versions of the objects: each change of an object needs a new one."""

import itertools
from collections.abc import Iterator
from typing import Any

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import exception as ovo_exc
from oslo_versionedobjects import fixture as ovo_fixture

from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import manager
from sgconductor.objects import base as objects_base
from tests import base
from tests import primitives

# The hash of an object's fields and remotable methods. When it changes, give
# the object a new VERSION, freeze a primitive of that, and write the new hash
# here.
FINGERPRINTS = {
    'Event': '1.1-ad79f939c54869e8c6534903c5f3eca0',
    'EventList': '1.0-4fa867da033e4fdffd5fc1bfd6eadec9',
    'Pin': '1.0-53c07c782c6e37c96625ab2f7f19e64a',
    'PinList': '1.0-ebfe4ca2800ee151581324ae4cdd455b',
    'Service': '1.4-d5b5fd14f8e9a3f8f9d273b08a3fbb53',
    'ServiceList': '1.4-7e90568fc9d594afbefc347d73f2f7a7',
}

NAMES = sorted(FINGERPRINTS)


class TestVersions(base.TestCase):
    def checker(self) -> ovo_fixture.ObjectVersionChecker:
        classes = ovo_base.VersionedObjectRegistry.obj_classes()
        return ovo_fixture.ObjectVersionChecker(
            {name: classes[name] for name in NAMES}
        )

    def test_fingerprints(self) -> None:
        expected, actual = self.checker().test_hashes(FINGERPRINTS)
        self.assertEqual(expected, actual)

    def test_every_object_is_fingerprinted(self) -> None:
        ours = {
            name
            for name, classes in (
                ovo_base.VersionedObjectRegistry.obj_classes().items()
            )
            if classes[0].__module__.startswith('sgconductor.')
        }
        self.assertEqual(ours, set(NAMES))
        self.assertEqual(ours, set(objects.__all__))

    def test_every_backport_runs(self) -> None:
        self.checker().test_compatibility_routines(use_manifest=True)

    def test_every_version_is_frozen(self) -> None:
        for name in NAMES:
            cls = ovo_base.VersionedObjectRegistry.obj_classes()[name][0]
            major, minor = map(int, cls.VERSION.split('.'))
            self.assertEqual(
                [f'{major}.{i}' for i in range(minor + 1)],
                primitives.versions(name),
            )

    def test_every_added_field_exists(self) -> None:
        for name in NAMES:
            cls = ovo_base.VersionedObjectRegistry.obj_classes()[name][0]
            assert issubclass(cls, objects_base.SGObject)
            self.assertEqual(set(), set(cls.ADDED) - set(cls.fields))


class FrozenTest(base.TestCase):
    def load(self, primitive: Any) -> Any:
        return objects_base.SGObject.obj_from_primitive(primitive)

    def pairs(self, newer: bool) -> Iterator[tuple[Any, Any]]:
        """Pairs of primitives of each object, in two of its versions.

        :param newer: whether the second version is newer than the first, or
            the same or older
        """
        for name in NAMES:
            versions = primitives.versions(name)
            for (i, since), (j, to) in itertools.product(
                enumerate(versions), repeat=2
            ):
                if (j > i) == newer:
                    yield (
                        primitives.frozen(name, since),
                        primitives.frozen(name, to),
                    )

    def manifest(self, frozen: Any) -> dict[str, str]:
        """The versions that a caller sends which knows this primitive."""
        versions = {
            frozen['versioned_object.name']: frozen['versioned_object.version']
        }
        for nested in frozen['versioned_object.data'].get('objects', []):
            versions |= self.manifest(nested)
        return versions


class TestFrozen(FrozenTest):
    def test_every_version_loads_as_it_is(self) -> None:
        for name in NAMES:
            for version in primitives.versions(name):
                frozen = primitives.frozen(name, version)
                loaded = self.load(frozen)
                self.assertEqual(version, loaded.VERSION)
                self.assertEqual(frozen, loaded.obj_to_primitive())

    def test_every_version_becomes_every_older_one(self) -> None:
        for since, to in self.pairs(newer=False):
            manifest = self.manifest(to)
            found = self.load(since).obj_to_primitive(
                target_version=to['versioned_object.version'],
                version_manifest=manifest,
            )
            self.assertEqual(to, found)

    def test_no_version_becomes_a_newer_one(self) -> None:
        for since, to in self.pairs(newer=True):
            error = self.assertRaises(
                ovo_exc.InvalidTargetVersion,
                self.load(since).obj_to_primitive,
                target_version=to['versioned_object.version'],
            )
            self.assertIn(to['versioned_object.version'], str(error))

    def test_every_version_loads_without_the_fields_of_later_ones(
        self,
    ) -> None:
        for version in primitives.versions('Service'):
            frozen = primitives.frozen('Service', version)
            service = self.load(frozen)
            for name in service.fields:
                self.assertEqual(
                    name in frozen['versioned_object.data'],
                    service.obj_attr_is_set(name),
                )

    def test_a_list_is_backported_with_its_objects(self) -> None:
        newest = primitives.frozen('Service', objects.Service.VERSION)
        services = objects.ServiceList(objects=[self.load(newest)])
        for to, inner in itertools.product(
            primitives.versions('ServiceList'), primitives.versions('Service')
        ):
            primitive = services.obj_to_primitive(
                target_version=to,
                version_manifest={'ServiceList': to, 'Service': inner},
            )
            self.assertEqual(
                [primitives.frozen('Service', inner)],
                primitive['versioned_object.data']['objects'],
            )

    def test_an_empty_list_is_backported(self) -> None:
        services = objects.ServiceList(objects=[])
        primitive = services.obj_to_primitive(
            version_manifest={'ServiceList': '1.0', 'Service': '1.0'}
        )
        self.assertEqual([], primitive['versioned_object.data']['objects'])
        self.assertEqual([], self.load(primitive).objects)

    def test_a_backport_sets_no_fields(self) -> None:
        service = objects.Service(host='node1')
        primitive = service.obj_to_primitive(target_version='1.0')
        self.assertEqual({'host': 'node1'}, primitive['versioned_object.data'])


class TestBackport(FrozenTest):
    """The conductor's method that backports an object for a caller."""

    def backport(self, primitive: Any, versions: dict[str, str]) -> Any:
        return manager.ConductorManager().object_backport_versions(
            base.context(),
            self.load(primitive),
            versions,
        )

    def test_a_conductor_backports_every_version_to_every_older_one(
        self,
    ) -> None:
        for since, to in self.pairs(newer=False):
            self.assertEqual(to, self.backport(since, self.manifest(to)))

    def test_the_refusal_of_a_newer_version_names_both(self) -> None:
        for since, to in self.pairs(newer=True):
            error = self.assertRaises(
                exception.InvalidInput,
                self.backport,
                since,
                self.manifest(to),
            )
            name = since['versioned_object.name']
            self.assertIn(
                f'{name} {since["versioned_object.version"]} cannot become '
                f'{name} {to["versioned_object.version"]}',
                str(error),
            )

    def test_a_version_that_does_not_exist_is_refused(self) -> None:
        for name in NAMES:
            newest = primitives.frozen(name, primitives.versions(name)[-1])
            for version, error in (
                ('1.99', exception.InvalidInput),
                ('2.0', ovo_exc.IncompatibleObjectVersion),
            ):
                self.assertRaises(
                    error, self.backport, newest, {name: version}
                )

    def test_objects_in_a_list_do_not_become_newer(self) -> None:
        services = primitives.frozen('ServiceList', '1.3')
        self.assertEqual(
            services,
            self.backport(services, {'ServiceList': '1.3', 'Service': '1.9'}),
        )


class TestSerializer(base.TestCase):
    def test_a_malformed_primitive_is_invalid_input(self) -> None:
        serializer = objects_base.Serializer()
        good = primitives.frozen('Service', '1.1')
        data = good['versioned_object.data']
        for bad in (
            {'versioned_object.name': 'Service'},
            {**good, 'versioned_object.data': None},
            {**good, 'versioned_object.data': 'x'},
            {**good, 'versioned_object.version': None},
            {**good, 'versioned_object.version': 'one'},
            {**good, 'versioned_object.name': ['Service']},
            {**good, 'versioned_object.data': {**data, 'id': 'x'}},
            {**good, 'versioned_object.data': {**data, 'host': 'a/b'}},
            {**good, 'versioned_object.data': {**data, 'created_at': 'x'}},
            {**good, 'versioned_object.data': {**data, 'created_at': 5}},
            {**good, 'versioned_object.changes': 5},
        ):
            self.assertRaises(
                exception.InvalidInput,
                serializer.deserialize_entity,
                None,
                {'nested': [bad]},
            )

    def test_the_refusal_of_a_foreign_object_names_it(self) -> None:
        serializer = objects_base.Serializer()
        good = primitives.frozen('Service', '1.1')
        for bad, name in (
            ({**good, 'versioned_object.namespace': 'nova'}, 'nova.Service'),
            ({**good, 'versioned_object.name': 'Aggregate'}, 'Aggregate'),
        ):
            error = self.assertRaises(
                ovo_exc.UnsupportedObjectError,
                serializer.deserialize_entity,
                None,
                bad,
            )
            self.assertIn(name, str(error))
