"""A process whose driver zookeeper has one member, until it is killed.

Arguments: hosts, root, session timeout, host.
"""

import sys
import threading

from sgconductor import exception
from sgconductor.servicegroup import driver
from sgconductor.servicegroup.drivers import zookeeper


def main(hosts: str, root: str, session_timeout: str, host: str) -> None:
    mine = zookeeper.ZooKeeperDriver(
        hosts, root=root, session_timeout=float(session_timeout)
    )
    member = driver.Member(f'uuid-{host}', host, 'acme-worker', 'worker', 1)
    pause = threading.Event()
    while not pause.wait(mine.interval):
        try:
            mine.beat(member)
        except exception.Unreachable as error:
            print(error, flush=True)


main(*sys.argv[1:])
