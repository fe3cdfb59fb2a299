"""The README says what is so."""

import pathlib
import textwrap

from tests import base

ROOT = pathlib.Path(__file__).parents[2]


class TestReadme(base.TestCase):
    def test_its_member_is_the_example(self) -> None:
        readme = (ROOT / 'README.rst').read_text()
        example = (ROOT / 'examples' / 'member.py').read_text()
        shown = textwrap.indent(example.rstrip(), '    ')
        self.assertIn(shown, readme)
        self.assertLessEqual(len(example.splitlines()), 30)

    def test_its_driver_is_the_example(self) -> None:
        readme = (ROOT / 'README.rst').read_text()
        example = (ROOT / 'examples' / 'driver.py').read_text()
        self.assertIn(textwrap.indent(example.rstrip(), '    '), readme)
        code = [
            line
            for line in example.partition('from sgconductor import')[
                2
            ].splitlines()
            if line.strip() and not line.strip().startswith('#')
        ]
        self.assertLessEqual(len(code), 40)
