"""The operations of the REST API: nothing is left out where it belongs."""

import importlib
import pkgutil
from collections.abc import Iterable
from collections.abc import Iterator

from oslo_policy import policy

import sgconductor.api
from sgconductor.api import event_hub
from sgconductor.api import events
from sgconductor.api import metrics
from sgconductor.api import operation
from sgconductor.api import policies
from sgconductor.api import routes
from tests import base

MODULES = tuple(
    importlib.import_module(f'sgconductor.api.{one.name}')
    for one in pkgutil.iter_modules(sgconductor.api.__path__)
)


class TestOperations(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        hub = event_hub.EventHub(lambda limit, marker: [], 1)
        self.all = routes.operations(
            events.EventStream(hub), metrics.Metrics()
        )

    def test_operations_of_every_module_are_served(self) -> None:
        served = {_key(one) for one in self.all}
        for module in MODULES:
            own = getattr(module, 'OPERATIONS', ())
            missing = {_key(one) for one in own} - served
            self.assertEqual(set(), missing, module.__name__)

    def test_no_operation_is_served_twice(self) -> None:
        keys = [_key(one) for one in self.all]
        self.assertEqual(sorted(set(keys)), sorted(keys))

    def test_every_rule_documents_its_operations(self) -> None:
        self.assertEqual(
            sorted((one.rule, *_key(one)) for one in self.all),
            sorted(_documented(policies.list_rules())),
        )

    def test_every_answer_of_v1_is_described(self) -> None:
        described = [one for one in self.all if one.path.startswith('/v1/')]
        undescribed = [
            _key(one)
            for one in described
            if one.answer is None
            and one.status != 204
            and one.answer_type == 'application/json'
            and one.path != '/v1/openapi.json'
        ]
        self.assertEqual([], undescribed)


def _key(one: operation.Operation) -> tuple[str, str]:
    return one.method, one.path


def _documented(
    rules: Iterable[policy.RuleDefault],
) -> Iterator[tuple[str, str, str]]:
    """Rule, method and path."""
    for rule in rules:
        if isinstance(rule, policy.DocumentedRuleDefault):
            for one in rule.operations:
                yield rule.name, one['method'], one['path']
