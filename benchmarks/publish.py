"""Messages in numbers, faster than those would send them who do.

What is sent is one real message, taken from a broker byte by byte, with other
numbers and other ids in it: a beat of sgconductor.rpcapi.beats.BeatAPI, or a
call of Nova's. So it is what they send, whatever that is in a release. As a
program it beats for many services at their own pace.
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
# Of each message, or the receiver takes it for one that was sent twice; but
# where an answer goes is the same for all.
_UUID = (
    '(?<!reply_)(?:'
    '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32})'
)
# Messages in a row.
_SAME_STAMP = 100
# Seconds.
_PAUSE = 0.02
_ARRIVES_WITHIN = 10.0
# Milliseconds, as a number that a column of integers takes.
_WRAPS = 2_000_000_000


class Template:
    """A message as it is with the broker.

    :param found: the message, with stand-ins for what differs
    :param needs: those that it must have
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
        """The same for another service.

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
        texts = {str(old): str(new) for old, new in values.items()}
        parts = self._parts.copy()
        for place, was in self._places:
            new = texts.get(was) or _dashed(unique, '-' in was)
            parts[place] = new.encode()
        return amqp.Message(b''.join(parts), **self._properties)


class Publisher:
    """A connection that sends messages to queues, and looks at those.

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
        """Have messages come to another queue too.

        :returns: its name
        """
        queue = str(self._channel.queue_declare(exclusive=True).queue)
        self._channel.queue_bind(queue, exchange, key)
        return queue

    def take(self, queue: str, needs: Collection[int]) -> Template:
        """The next message of a queue, which nobody else takes."""
        deadline = time.monotonic() + _ARRIVES_WITHIN
        while time.monotonic() < deadline:
            found = self._channel.basic_get(queue, no_ack=True)
            if found is not None:
                return Template(found, needs)
            time.sleep(_PAUSE)
        raise process.BenchmarkError(f'nothing has arrived in {queue}')

    def send(self, template: Template, ids: Iterable[int]) -> int:
        """Send one for each id, as fast as the broker takes them.

        :returns: how many that were
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
        """Messages in a queue that nobody has taken yet."""
        told = self._channel.queue_declare(queue, passive=True)
        return int(told.message_count)

    def close(self) -> None:
        self._connection.close()


def count_at(stamp: int) -> int:
    """What a message of some moment has for its number of reports.

    :param stamp: microseconds since 1970
    """
    return stamp // 1000 % _WRAPS


def learn(url: str) -> Template:
    """Send a beat as a member does, and take it from its queue.

    :param url: where nobody listens
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


def _dashed(digits: str, dashed: bool) -> str:
    return str(uuid.UUID(digits)) if dashed else digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('url', help='where they go')
    parser.add_argument('learn', help='a vhost where nobody listens')
    parser.add_argument('--first', type=int, required=True, help='id')
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
    """Beat for each service once an interval, evenly spread over it."""
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
