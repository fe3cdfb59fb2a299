"""A caller gets the same error that the conductor raised."""

import inspect
import sys

from oslo_messaging._drivers import common

from sgconductor import exception
from sgconductor.messaging import remote_error
from tests import base

EXAMPLES = (
    exception.ConfigError('no such thing'),
    exception.InvalidInput('host is empty'),
    exception.ReadOnlyField('Service.save', ['is_up'], ['disabled']),
    exception.UnknownField('Service', '1.2', '1.1', ['mood']),
    exception.NotRemotable('Service', 'x'),
    exception.ServiceNotFound('a/b'),
    exception.UnknownBinary('worker', ['acme-worker']),
    exception.ServiceTooOld('a', 'b', 1, 2),
    exception.ServiceTooOld('a', 'b', 1, 1, 1, 3, 5),
    exception.ServiceIsUp('a', 'b'),
    exception.StateConflict('it is enabled'),
    exception.ServiceChanged('a', 'b'),
    exception.NoBackend(),
    exception.MembershipLost('a', 'b', 'superseded'),
    exception.MembershipLost('a', 'b', 'deleted'),
    exception.BrokerUnreachable('rabbit://x', 'gone'),
    exception.ConductorUnreachable('sgconductor', 5),
    exception.DatabaseBusy('sqlite://', 7, 5.0, 'deadlock'),
    exception.DatabaseUnreachable('sqlite://', 'gone'),
    exception.DriverUnreachable('zookeeper', 'h:2181', 'gone'),
    exception.SchemaTooOld(None, '0001'),
    exception.SchemaTooNew('0009', '0001'),
    exception.UnexpectedFailure('req-1'),
)


class TestErrors(base.TestCase):
    def test_an_error_is_the_same_after_it_was_sent(self) -> None:
        for error in EXAMPLES:
            wire = common.serialize_remote_exception(
                (type(error), error, None)
            )
            copy = common.deserialize_remote_exception(
                wire, [exception.__name__]
            )
            original = remote_error.original(copy)
            assert original is not None
            self.assertIs(type(error), type(original))
            self.assertEqual(str(error), str(original))
            self.assertEqual(list(error.args), list(original.args))

    def test_each_class_of_error_has_an_example_here(self) -> None:
        classes = {
            cls
            for _, cls in inspect.getmembers(
                sys.modules[exception.__name__], inspect.isclass
            )
            if issubclass(cls, exception.SGConductorError)
        }
        abstract = {
            exception.SGConductorError,
            exception.Unreachable,
            exception.SchemaMismatch,
        }
        self.assertEqual(
            classes - abstract, {type(error) for error in EXAMPLES}
        )

    def test_a_foreign_error_has_no_original(self) -> None:
        self.assertIsNone(remote_error.original(ValueError('x')))
