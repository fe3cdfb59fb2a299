"""A service of the release before that is sent objects, until SIGTERM.

Runs under that release's python, so it may use only what that release had.
Arguments: a configuration file. Its method ``describe`` returns the versions
and fields of what it was given, and ``echo`` returns the thing itself.
"""

import signal
import sys
import threading
from typing import Any

from sgconductor import app
from sgconductor.cmd import configuration
from sgconductor.rpcapi import base as rpc_base

# After the modules of ours, which choose oslo.service's backend.
import oslo_messaging as messaging  # isort: skip


class Endpoint:
    @messaging.expose  # type: ignore[untyped-decorator]
    def describe(self, context: Any, thing: Any) -> Any:
        return shape(thing)

    @messaging.expose  # type: ignore[untyped-decorator]
    def echo(self, context: Any, thing: Any) -> Any:
        return thing


def shape(thing: Any) -> Any:
    """Versions and fields of objects, and of the objects in them."""
    if isinstance(thing, list):
        return [shape(one) for one in thing]
    if not hasattr(thing, 'VERSION'):
        return thing
    return {
        'version': thing.VERSION,
        **{
            name: shape(getattr(thing, name))
            for name in ('host', 'is_up', 'type', 'objects')
            if name in thing.fields and thing.obj_attr_is_set(name)
        },
        'set': sum(thing.obj_attr_is_set(name) for name in thing.fields),
    }


def main() -> None:
    conf = configuration.read('server', ['--config-file', sys.argv[1]])
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    with app.Remote(conf, timeout=20) as remote:
        server = messaging.get_rpc_server(
            remote.transport,
            messaging.Target(exchange='acme', topic='old', server='old'),
            [Endpoint()],
            serializer=rpc_base.Serializer(
                conductor=remote.context().conductor
            ),
            access_policy=messaging.ExplicitRPCAccessPolicy,
        )
        server.start()
        print('serving', flush=True)
        done.wait()
        server.stop()
        server.wait()


main()
