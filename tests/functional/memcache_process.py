"""A process with a driver of its own, for tests of the driver memcache.

Arguments: a configuration file, what to do, the uuid of a member.
"""

import os
import sys
import threading
import warnings

from oslo_config import cfg

from sgconductor import conf as sg_conf
from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup.drivers import memcache


def beat(driver: sg_driver.Driver, member: sg_driver.Member) -> None:
    """Keep a member present until this process is killed."""
    pause = threading.Event()
    driver.join(member)
    print('joined', flush=True)
    while not pause.wait(driver.interval):
        driver.beat(member)


def fork(driver: sg_driver.Driver, member: sg_driver.Member) -> None:
    """Use one driver on both sides of a fork, at the same time."""
    driver.watch()
    driver.join(member)
    with warnings.catch_warnings():
        # It warns of a fork in a process with threads, which is tested here.
        warnings.simplefilter('ignore', DeprecationWarning)
        child = os.fork()
    for _ in range(200):
        presence = driver.alive([member])
        assert presence.alive == {member}, presence
        driver.beat(member)
    threads = [t.name for t in threading.enumerate() if 'memcache' in t.name]
    if child == 0:
        assert not threads, threads
        driver.watch()
        assert 'memcache' in threading.enumerate()[-1].name
        driver.close()
        os._exit(0)
    assert threads
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    driver.close()
    print(f'child: {status}', flush=True)


def main(path: str, what: str, uuid: str) -> None:
    warnings.simplefilter('error')
    conf = cfg.ConfigOpts()
    sg_conf.register_opts(conf)
    conf(['--config-file', path], project='member')
    member = sg_driver.Member(uuid, 'node1', 'acme-worker', 'worker', 1)
    {'beat': beat, 'fork': fork}[what](memcache.from_conf(conf), member)


main(*sys.argv[1:])
