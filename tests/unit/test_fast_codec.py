"""The fast codec makes the same as oslo.versionedobjects would make."""

import datetime
import itertools
import json
import string
from typing import Any

import hypothesis
from hypothesis import strategies as st
from oslo_versionedobjects import base as ovo_base

from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import liveness
from sgconductor.conductor import service_objects
from sgconductor.messaging import serializer
from sgconductor.objects import base as objects_base
from sgconductor.objects import fast_codec
from sgconductor.objects import fields
from tests import base
from tests import primitives

_NAMES = st.text(string.ascii_letters + string.digits, min_size=1, max_size=9)
_TEXTS = st.text(st.characters(exclude_categories=('Cc', 'Cs')), max_size=99)
# Times as rows have them.
_MOMENTS = st.datetimes(
    min_value=datetime.datetime(1970, 1, 1),
    timezones=st.just(datetime.UTC),
).map(lambda moment: moment.strftime('%Y-%m-%dT%H:%M:%S.%fZ'))
_KINDS: dict[type, st.SearchStrategy[Any]] = {
    fields.IdField: st.integers(1, fields.MAX_INT),
    fields.UuidField: st.uuids().map(str),
    fields.HostField: _NAMES,
    fields.BinaryField: _NAMES,
    fields.TopicField: _NAMES,
    fields.TextField: _TEXTS,
    fields.NumberField: st.integers(0, fields.MAX_INT),
    fields.SecondsField: st.integers(1, 86400),
    fields.CountField: st.integers(0, fields.MAX_BIGINT),
    fields.TrueOrFalseField: st.booleans(),
    fields.MomentField: _MOMENTS,
}
_FROM_VERDICT = ('is_up', 'liveness', 'liveness_reason')


def _values(name: str) -> st.SearchStrategy[Any]:
    field = objects.Service.fields[name]
    kind = _KINDS[type(field)]
    return st.none() | kind if field.nullable else kind


ROWS = st.fixed_dictionaries(
    {
        name: _values(name)
        for name in objects.Service.fields
        if name not in _FROM_VERDICT
    }
)
VERDICTS = st.builds(
    liveness.Verdict, st.sampled_from(['up', 'down', 'unknown']), _TEXTS
)
FOUND = st.lists(st.tuples(ROWS, VERDICTS), min_size=1, max_size=3)


# Without a deadline, for busy machines; the same examples in each run.
SETTINGS = hypothesis.settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)

CONTEXT = base.context()
SERVICE_VERSIONS = primitives.versions('Service')
LIST_VERSIONS = primitives.versions('ServiceList')


def library_json(
    obj: objects_base.SGObject, version: str, manifest: dict[str, str]
) -> str:
    primitive = ovo_base.VersionedObject.obj_to_primitive(
        obj, version, manifest
    )
    return json.dumps(primitive)


def make_list(found: Any) -> objects.ServiceList:
    """The list of services made of rows and their verdicts."""
    made = objects.ServiceList(
        CONTEXT, objects=[service_objects.make(CONTEXT, *one) for one in found]
    )
    made.obj_reset_changes()
    return made


def values_of(obj: Any) -> dict[str, Any]:
    """All values of an object by name."""
    return {name: getattr(obj, name) for name in obj.fields}


class TestPrimitives(base.TestCase):
    """Primitives are the same, in every version."""

    @SETTINGS
    @hypothesis.given(ROWS, VERDICTS)
    def test_the_primitive_of_a_service(
        self, row: Any, verdict: liveness.Verdict
    ) -> None:
        service = service_objects.make(CONTEXT, row, verdict)
        checked = objects.Service(CONTEXT)
        for name, value in service_objects.values(row, verdict).items():
            field = checked.fields[name]
            loaded = field.from_primitive(checked, name, value)
            setattr(checked, name, loaded)
        checked.obj_reset_changes()
        for version in SERVICE_VERSIONS:
            manifest = {'Service': version}
            self.assertEqual(
                library_json(checked, version, manifest),
                json.dumps(service.obj_to_primitive(version, manifest)),
            )

    @SETTINGS
    @hypothesis.given(FOUND)
    def test_the_primitive_of_a_list(self, found: Any) -> None:
        checked = make_list(found)
        for version, inner in itertools.product(
            LIST_VERSIONS, SERVICE_VERSIONS
        ):
            manifest = {'ServiceList': version, 'Service': inner}
            by_codec = [
                json.loads(json.dumps(one.obj_to_primitive(inner, manifest)))
                for one in checked
            ]
            primitive = checked.obj_to_primitive(version, manifest)
            self.assertEqual(
                by_codec, primitive['versioned_object.data']['objects']
            )

    def test_a_changed_object_has_its_changes_in_the_primitive(self) -> None:
        frozen = primitives.frozen('Service', SERVICE_VERSIONS[-1])
        service: Any = objects_base.SGObject.obj_from_primitive(frozen)
        service.disabled = True
        primitive = service.obj_to_primitive()
        self.assertEqual(['disabled'], primitive['versioned_object.changes'])


class TestLoad(base.TestCase):
    """Callers load what a conductor has sent."""

    def setUp(self) -> None:
        super().setUp()
        self.caller = serializer.Serializer(conductor=object())

    def load(self, primitive: Any) -> Any:
        return self.caller.deserialize_entity(CONTEXT, primitive)

    @SETTINGS
    @hypothesis.given(FOUND)
    def test_a_loaded_list_is_the_same_as_by_the_library(
        self, found: Any
    ) -> None:
        sent = make_list(found)
        primitive = json.loads(json.dumps(sent.obj_to_primitive()))
        library: Any = objects_base.SGObject.obj_from_primitive(primitive)
        for ours, theirs in zip(self.load(primitive), library, strict=True):
            self.assertEqual(values_of(theirs), values_of(ours))
            self.assertEqual(set(), ours.obj_what_changed())
            self.assertIs(CONTEXT, ours._context)

    @SETTINGS
    @hypothesis.given(FOUND)
    def test_a_service_made_of_a_table_is_the_same(self, found: Any) -> None:
        for version in SERVICE_VERSIONS:
            sent = make_list(found)
            manifest = {'ServiceList': LIST_VERSIONS[-1], 'Service': version}
            primitive = sent.obj_to_primitive(LIST_VERSIONS[-1], manifest)
            datas = [
                one['versioned_object.data']
                for one in primitive['versioned_object.data']['objects']
            ]
            names = list(datas[0])
            make = fast_codec.maker(objects.Service, CONTEXT, names)
            rows = json.loads(json.dumps([[*d.values()] for d in datas]))
            for row, loaded in zip(rows, sent, strict=True):
                made = make(row)
                self.assertEqual(
                    {name: getattr(loaded, name) for name in names},
                    fast_codec.values(made),
                )
                self.assertEqual(set(), made.obj_what_changed())
                self.assertIs(CONTEXT, made._context)

    def test_primitives_of_other_versions_or_with_changes_are_loaded(
        self,
    ) -> None:
        newest = primitives.frozen('ServiceList', LIST_VERSIONS[-1])
        for version in SERVICE_VERSIONS:
            service = primitives.frozen('Service', version)
            newest['versioned_object.data']['objects'] = [service]
            (loaded,) = self.load(newest)
            self.assertEqual(version, loaded.VERSION)
        service['versioned_object.changes'] = ['host']
        self.assertEqual({'host'}, self.load(service).obj_what_changed())
        data = service['versioned_object.data']
        for bad in ({**data, 'created_at': 'x'}, {**data, 'created_at': 5}):
            self.assertRaises(
                exception.InvalidInput,
                self.load,
                {**service, 'versioned_object.data': bad},
            )
