"""Beats as real messages, faster than members would send them.

What is sent is one message of :class:`sgconductor.rpcapi.beats.BeatAPI`, taken
from a broker byte by byte, with other numbers and other ids in it; so it is
what members send, whatever that is in this release. As a program it beats for
many services at their own pace.
"""

import argparse
import itertools
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from urllib import parse

import amqp

from benchmarks import process
from sgconductor import app
from sgconductor.rpcapi import base
from sgconductor.rpcapi import beats as beats_api

QUEUE = f'{base.BEATS_TOPIC}.info'

# Numbers that stand in a message for what they are and nothing else.
_ID, _INCARNATION, _STAMP, _EPOCH = (
    1234567891,
    1234567892,
    1234567890123456,
    1234567893,
)
_NUMBERS = f'{_ID}|{_INCARNATION}|{_STAMP}|{_EPOCH}'
# Of each message, or the receiver takes it for one that was sent twice.
_UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}'
_PARTS = re.compile(f'({_NUMBERS}|{_UUID})'.encode())
# Messages in a row.
_SAME_STAMP = 100
# Seconds.
_PAUSE = 0.02
_ARRIVES_WITHIN = 10.0


class Template:
    """A beat of BeatAPI, as it is with the broker.

    :param body: with the numbers above
    :param properties: of the message
    """

    def __init__(self, body: bytes, properties: dict[str, Any]) -> None:
        self._properties = properties
        self._parts = _PARTS.split(body)
        self._places = [
            (place, part.decode())
            for place, part in enumerate(self._parts)
            if place % 2
        ]
        for number in _NUMBERS.split('|'):
            if number not in [part for _, part in self._places]:
                raise process.BenchmarkError(
                    f'no {number} in a beat that has it: {body!r}'
                )

    def body(self, id_: int, stamp: int, unique: str) -> bytes:
        """The message of another beat.

        :param stamp: microseconds since 1970
        :param unique: 32 hexadecimal digits
        """
        values = {
            str(_ID): str(id_),
            str(_INCARNATION): '1',
            str(_STAMP): str(stamp),
            str(_EPOCH): '1',
        }
        parts = self._parts.copy()
        for place, was in self._places:
            new = values.get(was) or _dashed(unique, '-' in was)
            parts[place] = new.encode()
        return b''.join(parts)

    def message(self, body: bytes) -> amqp.Message:
        return amqp.Message(body, **self._properties)


class Publisher:
    """A connection that sends beats to a queue, and looks at it.

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

    def take(self) -> Template:
        """The next beat in the queue."""
        deadline = time.monotonic() + _ARRIVES_WITHIN
        while time.monotonic() < deadline:
            found = self._channel.basic_get(QUEUE, no_ack=True)
            if found is not None:
                return Template(_bytes(found.body), found.properties)
            time.sleep(_PAUSE)
        raise process.BenchmarkError('a beat did not arrive')

    def send(self, template: Template, ids: Iterable[int]) -> int:
        """Beat once for each id, as fast as the broker takes it.

        :returns: how many that were
        """
        sent = 0
        for id_ in ids:
            if sent % _SAME_STAMP == 0:
                stamp = time.time_ns() // 1000
            body = template.body(id_, stamp, next(self._unique))
            self._channel.basic_publish(
                template.message(body),
                exchange=base.EXCHANGE,
                routing_key=QUEUE,
            )
            sent += 1
        return sent

    def waiting(self) -> int:
        """Messages in the queue that nobody has taken yet."""
        told = self._channel.queue_declare(QUEUE, passive=True)
        return int(told.message_count)

    def close(self) -> None:
        self._connection.close()


def learn(url: str) -> Template:
    """Send a beat as a member does, and take it from its queue.

    :param url: where nobody listens
    """
    with app.connect(url) as remote:
        beats_api.BeatAPI(remote.transport).beat(
            _ID, _INCARNATION, _STAMP, _EPOCH
        )
    publisher = Publisher(url)
    try:
        return publisher.take()
    finally:
        publisher.close()


def _unique() -> Iterator[str]:
    start = int.from_bytes(os.urandom(12)) << 32
    return (f'{number:032x}' for number in itertools.count(start))


def _dashed(digits: str, dashed: bool) -> str:
    return str(uuid.UUID(digits)) if dashed else digits


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body


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
    late = _beat(publisher, template, options)
    print(json.dumps(late), flush=True)
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
