"""python-novaclient at work on os-services: arguments URL and VERSION.

It disables, enables, forces down and deletes the service of each binary that
its host says, and prints what it saw, in JSON.
"""

import json
import sys
from typing import Any

from keystoneauth1 import noauth
from keystoneauth1 import session
from novaclient import api_versions
from novaclient import client


def main(url: str, version: str) -> None:
    known = session.Session(auth=noauth.NoAuth(endpoint=url))
    nova = client.Client('2.1', session=known, endpoint_override=url)
    # As the client finds the latest that both sides know.
    asked = api_versions.APIVersion(version)
    agreed = api_versions.discover_version(nova, asked).get_string()
    nova = client.Client(agreed, session=known, endpoint_override=url)
    services = nova.services
    by_uuid = nova.api_version >= api_versions.APIVersion('2.53')
    seen: dict[str, Any] = {'version': nova.api_version.get_string()}

    def named(host: str) -> Any:
        (found,) = services.list(host=host, binary='acme-worker')
        return found

    def whom(host: str) -> tuple[str, ...]:
        return (named(host).id,) if by_uuid else (host, 'acme-worker')

    seen['hosts'] = [one.host for one in services.list(binary='acme-worker')]
    services.disable_log_reason(*whom('node1'), 'disk')
    one = named('node1')
    seen['disabled'] = [one.status, one.disabled_reason]
    services.enable(*whom('node1'))
    one = named('node1')
    seen['enabled'] = [one.status, one.disabled_reason]
    services.disable(*whom('node2'))
    seen['without a reason'] = named('node2').status
    if nova.api_version >= api_versions.APIVersion('2.11'):
        services.force_down(*whom('node2'), True)
        one = named('node2')
        seen['forced down'] = [one.state, one.forced_down]
    services.delete(named('node2').id)
    seen['left'] = [one.host for one in services.list(binary='acme-worker')]
    print(json.dumps(seen))


if __name__ == '__main__':
    main(*sys.argv[1:])
