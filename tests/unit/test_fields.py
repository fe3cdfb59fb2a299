"""The values that the object fields take, and the errors for others."""

import datetime
from typing import Any

from sgconductor.objects import fields
from tests import base


class TestFields(base.TestCase):
    def refuses(self, field: Any, value: Any, *words: str) -> None:
        """Check that a field refuses a value with these words."""
        error = self.assertRaises(ValueError, field.coerce, None, 'it', value)
        for word in ('it', *words):
            self.assertIn(word, str(error))

    def test_a_host_is_a_short_name_of_certain_characters(self) -> None:
        field = fields.HostField()
        for name in (
            'node1',
            'node1.example.org',
            'NODE_1',
            'volume@lvm-1',
            'fe80::1',
            '7',
            'x' * 190,
        ):
            self.assertEqual(name, field.coerce(None, 'it', name))
        for name in (
            'a/b',
            'a b',
            'a#',
            'a*',
            '#',
            '.',
            '..',
            '-a',
            'é',
            'a\n',
            '\x00',
            "a'",
            '<script>',
        ):
            self.refuses(field, name, 'begin with a letter or a digit')
        self.refuses(field, '', 'empty')
        self.refuses(field, 'x' * 191, '191 characters', '190')
        self.refuses(field, 5, 'int')
        self.refuses(field, None)

    def test_a_queue_name_is_not_too_long_for_the_broker(self) -> None:
        topic = fields.TopicField().coerce(None, 'it', 'x' * 64)
        host = fields.HostField().coerce(None, 'it', 'x' * 190)
        self.assertLessEqual(len(f'{topic}.{host}'), 255)

    def test_a_text_is_short_and_has_no_control_characters(self) -> None:
        field = fields.TextField(nullable=True)
        for text in ('', 'broken fan', 'Lüfter 坏了 \U0001f525', None):
            self.assertEqual(text, field.coerce(None, 'it', text))
        self.refuses(field, 'a\x00b', 'control characters')
        self.refuses(field, 'a\nb', 'control characters')
        self.refuses(field, '\ud800', 'control characters')
        self.refuses(field, 'x' * 256, '256 characters', '255')
        self.refuses(field, 5, 'int')

    def test_a_number_is_a_whole_number_of_31_bits(self) -> None:
        field = fields.NumberField()
        for number in (0, 1, 2**31 - 1):
            self.assertEqual(number, field.coerce(None, 'it', number))
        for wrong in (-1, 2**31):
            self.refuses(field, wrong, 'from 0 to 2147483647')
        for other in ('1', 1.0, True, [1]):
            self.refuses(field, other, 'whole number')

    def test_true_or_false_is_only_a_bool(self) -> None:
        field = fields.TrueOrFalseField()
        for value in (True, False):
            self.assertIs(value, field.coerce(None, 'it', value))
        for wrong in ('true', 'False', 0, 1):
            self.refuses(field, wrong, 'true or false')

    def test_a_moment_keeps_its_microseconds(self) -> None:
        field: Any = fields.MomentField()
        moment = datetime.datetime(
            2026, 11, 21, 20, 0, 0, 123456, datetime.UTC
        )
        primitive = field.to_primitive(None, 'it', moment)
        self.assertEqual('2026-11-21T20:00:00.123456Z', primitive)
        self.assertEqual(moment, field.from_primitive(None, 'it', primitive))
        self.refuses(field, moment.replace(tzinfo=None), 'no time zone')
        self.refuses(field, '2026-11-21T20:00:00Z', 'datetime')

    def test_a_uuid_becomes_lower_case(self) -> None:
        field = fields.UuidField()
        uuid = '5d0dd9a1-33a0-4bca-a62b-1e8d79bb1b6c'
        self.assertEqual(uuid, field.coerce(None, 'it', uuid.upper()))
        self.refuses(field, 'x', 'not a UUID')
        self.refuses(field, 5, 'not a UUID')
