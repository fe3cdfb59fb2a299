"""openstacksdk at work on os-services: argument URL.

It prints what it saw, in JSON.
"""

import json
import sys
from typing import Any

import openstack


def main(url: str) -> None:
    cloud = openstack.connect(auth_type='none', endpoint=url)
    compute: Any = cloud.compute
    seen: dict[str, Any] = {}

    def named(host: str) -> Any:
        (found,) = compute.services(host=host, binary='acme-worker')
        return found

    seen['hosts'] = [one.host for one in compute.services(host='node1')]
    compute.disable_service(named('node1'), disabled_reason='disk')
    one = named('node1')
    seen['disabled'] = [one.status, one.disabled_reason]
    compute.enable_service(named('node1'))
    seen['enabled'] = named('node1').status
    compute.update_service_forced_down(named('node2'), forced=True)
    one = named('node2')
    seen['forced down'] = [one.state, one.is_forced_down]
    compute.delete_service(named('node2'))
    found = compute.services(binary='acme-worker')
    seen['left'] = [one.host for one in found]
    print(json.dumps(seen))


if __name__ == '__main__':
    main(*sys.argv[1:])
