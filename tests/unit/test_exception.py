"""Errors cross the bus and stay what they were."""

import inspect
import sys

from oslo_messaging._drivers import common

from sgconductor import exception
from sgconductor.rpcapi import conductor
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
    exception.DatabaseUnreachable('sqlite://', 'gone'),
    exception.DriverUnreachable('zookeeper', 'h:2181', 'gone'),
    exception.SchemaTooOld(None, '0001'),
    exception.SchemaTooNew('0009', '0001'),
    exception.UnexpectedFailure('req-1'),
)


class TestErrors(base.TestCase):
    def test_each_arrives_as_it_was_sent(self) -> None:
        for error in EXAMPLES:
            wire = common.serialize_remote_exception(
                (type(error), error, None)
            )
            copy = common.deserialize_remote_exception(
                wire, [exception.__name__]
            )
            back = conductor._local(copy)
            assert back is not None
            self.assertIs(type(error), type(back))
            self.assertEqual(str(error), str(back))
            self.assertEqual(list(error.args), list(back.args))

    def test_each_kind_has_an_example(self) -> None:
        kinds = {
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
        self.assertEqual(kinds - abstract, {type(error) for error in EXAMPLES})

    def test_an_error_of_somebody_else_is_not_ours(self) -> None:
        self.assertIsNone(conductor._local(ValueError('x')))
