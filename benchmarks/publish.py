"""Sends many copies of a message, faster than its real sender could.

The template is one real message, taken from a queue: a beat of
sgconductor.rpcapi.beats.BeatAPI, or a call of Nova's. Each copy gets other
numbers and ids. So the copies are what a release really sends. As a program,
it sends the beats of many services at the pace of their members.
"""

import argparse
import itertools
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from urllib import parse

import amqp

from benchmarks import process
from benchmarks import stand_ins
from sgconductor import app
from sgconductor.messaging import topics
from sgconductor.rpcapi import beats as beats_api

QUEUE = f'{topics.BEATS_TOPIC}.info'

_BEAT = (
    stand_ins.ID,
    stand_ins.INCARNATION,
    stand_ins.STAMP,
    stand_ins.EPOCH,
)
# The ids that are new in each copy, or its receiver would drop it as a
# duplicate. The queue of the reply is the same for all.
_UUID = (
    '(?<!reply_)(?:'
    '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32})'
)
# So many messages in a row get the same stamp.
_SAME_STAMP = 100
# Seconds.
_PAUSE = 0.02
_ARRIVES_WITHIN = 10.0
# Milliseconds; a column of integers takes any number below it.
_WRAPS = 2_000_000_000


class Template:
    """A message as the broker has it.

    :param found: the message, with stand-ins for the numbers that differ
    :param needs: the stand-ins that it must have
    """

    def __init__(self, found: Any, needs: Collection[int]) -> None:
        body = found.body
        self._properties = found.properties
        self.exchange = found.delivery_info['exchange']
        self.key = found.delivery_info['routing_key']
        numbers = '|'.join(str(number) for number in stand_ins.ALL)
        self._parts = re.split(
            f'({numbers}|{_UUID})'.encode(),
            body.encode() if isinstance(body, str) else body,
        )
        self._places = [
            (place, part.decode())
            for place, part in enumerate(self._parts)
            if place % 2
        ]
        missing = {*map(str, needs)} - {part for _, part in self._places}
        if missing:
            raise process.BenchmarkError(f'no {missing} in {body!r}')

    def message(self, id_: int, stamp: int, unique: str) -> amqp.Message:
        """A copy of the message, for another service.

        :param stamp: microseconds since 1970
        :param unique: 32 hexadecimal digits
        """
        values = {
            stand_ins.ID: id_,
            stand_ins.INCARNATION: 1,
            stand_ins.STAMP: stamp,
            stand_ins.EPOCH: 1,
            stand_ins.COUNT: count_at(stamp),
        }
        texts = {str(key): str(value) for key, value in values.items()}
        parts = self._parts.copy()
        for place, old in self._places:
            new = texts.get(old) or _format_uuid(unique, '-' in old)
            parts[place] = new.encode()
        return amqp.Message(b''.join(parts), **self._properties)


class Publisher:
    """A connection that sends messages to queues and counts their messages.

    :param url: the transport URL
    """

    def __init__(self, url: str) -> None:
        parsed = parse.urlsplit(url)
        self._connection = amqp.Connection(
            host=f'{parsed.hostname}:{parsed.port}',
            userid=parsed.username,
            password=parsed.password,
            virtual_host=parsed.path[1:],
        )
        self._connection.connect()
        self._channel = self._connection.channel()
        self._unique = _unique()

    def tap(self, exchange: str, key: str) -> str:
        """Have the broker copy messages to another queue.

        :returns: the name of that queue
        """
        queue = str(self._channel.queue_declare(exclusive=True).queue)
        self._channel.queue_bind(queue, exchange, key)
        return queue

    def take(self, queue: str, needs: Collection[int]) -> Template:
        """Take the next message of a queue that has no consumer."""
        deadline = time.monotonic() + _ARRIVES_WITHIN
        while time.monotonic() < deadline:
            found = self._channel.basic_get(queue, no_ack=True)
            if found is not None:
                return Template(found, needs)
            time.sleep(_PAUSE)
        raise process.BenchmarkError(f'no message has arrived in {queue}')

    def send(self, template: Template, ids: Iterable[int]) -> int:
        """Send a copy for each id, as fast as the broker takes them.

        :returns: the number of copies
        """
        sent = 0
        for id_ in ids:
            if sent % _SAME_STAMP == 0:
                stamp = time.time_ns() // 1000
            self._channel.basic_publish(
                template.message(id_, stamp, next(self._unique)),
                exchange=template.exchange,
                routing_key=template.key,
            )
            sent += 1
        return sent

    def waiting(self, queue: str) -> int:
        """The number of messages in a queue that no consumer has taken."""
        declared = self._channel.queue_declare(queue, passive=True)
        return int(declared.message_count)

    def close(self) -> None:
        self._connection.close()


def count_at(stamp: int) -> int:
    """The number of reports in a message of a certain time.

    :param stamp: microseconds since 1970
    """
    return stamp // 1000 % _WRAPS


def learn(url: str) -> Template:
    """Send a beat as a member does, and take it from its queue.

    :param url: of a vhost without consumers
    """
    with app.connect(url) as remote:
        beats_api.BeatAPI(remote.transport).beat(*_BEAT)
    publisher = Publisher(url)
    try:
        return publisher.take(QUEUE, _BEAT)
    finally:
        publisher.close()


def _unique() -> Iterator[str]:
    start = int.from_bytes(os.urandom(12)) << 32
    return (f'{number:032x}' for number in itertools.count(start))


def _format_uuid(digits: str, dashes: bool) -> str:
    return str(uuid.UUID(digits)) if dashes else digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('url', help='the vhost to send to')
    parser.add_argument('learn', help='a vhost without consumers')
    parser.add_argument('--first', type=int, required=True, help='first id')
    parser.add_argument('--count', type=int, required=True, help='of ids')
    parser.add_argument('--interval', type=float, default=10.0)
    parser.add_argument('--seconds', type=float, required=True)
    options = parser.parse_args()
    template = learn(options.learn)
    publisher = Publisher(options.url)
    print('ready', flush=True)
    sys.stdin.readline()
    print(json.dumps(_beat(publisher, template, options)), flush=True)
    sys.stdin.readline()


def _beat(
    publisher: Publisher, template: Template, options: argparse.Namespace
) -> dict[str, float]:
    """Send one beat per service and interval, evenly spread."""
    ids = itertools.cycle(range(options.first, options.first + options.count))
    begin = time.monotonic()
    sent, late = 0, 0.0
    while (now := time.monotonic() - begin) < options.seconds:
        due = int(now * options.count / options.interval)
        late = max(late, (due - sent) * options.interval / options.count)
        sent += publisher.send(template, itertools.islice(ids, due - sent))
        time.sleep(_PAUSE)
    return {'sent': sent, 'late': late, 'seconds': now}


if __name__ == '__main__':
    main()
