"""Shortcuts are left out where a release lacks what they need."""

import ast
import pathlib

import fixtures

from sgconductor.messaging import shortcuts
from tests import base

_PACKAGE = pathlib.Path(shortcuts.__file__).parent.parent
# Attributes of our own classes that other objects use.
_OURS = {'_asdict', '_replace'}


class TestLookFor(base.TestCase):
    def look_for(self, part: shortcuts.Part) -> bool:
        """Whether a shortcut is used that needs one part."""
        one = shortcuts.Shortcut.READ_ALL
        return one in shortcuts.look_for({one: [part]})

    def test_this_release_has_all_parts(self) -> None:
        self.assertEqual(
            {*shortcuts.Shortcut}, shortcuts.look_for(shortcuts.needed())
        )
        self.assertEqual(0, self.logged('is left out'))

    def test_each_missing_part_leaves_out_one_shortcut(self) -> None:
        needs = shortcuts.needed()
        for shortcut, parts in needs.items():
            for i, part in enumerate(parts):
                renamed = part._replace(name=f'{part.name}_renamed')
                fewer = [*parts[:i], renamed, *parts[i + 1 :]]
                before = self.logged('is left out')
                found = shortcuts.look_for({**needs, shortcut: fewer})
                self.assertEqual({*needs} - {shortcut}, found)
                self.assertEqual(before + 1, self.logged('is left out'))
                self.assertIn(str(renamed), self.log.output)
                self.assertIn(shortcut.value[0], self.log.output)

    def test_the_log_names_the_release(self) -> None:
        self.look_for(shortcuts.needed()[shortcuts.Shortcut.SLEEP][0])
        part = shortcuts.needed()[shortcuts.Shortcut.ACK_BATCH][-1]
        self.look_for(part._replace(owner='Renamed'))
        self.assertEqual(
            1,
            self.logged(
                'has no oslo_messaging._drivers.amqp.Renamed.add that fits'
            ),
        )
        self.assertRegex(self.log.output, r'oslo\.messaging \d+\.\d+')

    def test_a_method_with_other_arguments_does_not_fit(self) -> None:
        (part,) = shortcuts.needed()[shortcuts.Shortcut.SEND_NOTIFICATION]
        self.assertTrue(self.look_for(part))
        self.assertFalse(self.look_for(part._replace(args=9)))
        self.assertFalse(self.look_for(part._replace(kwargs=('renamed',))))

    def test_the_variable_leaves_out_all(self) -> None:
        self.useFixture(fixtures.EnvironmentVariable(shortcuts.VARIABLE, '1'))
        self.assertEqual(frozenset(), shortcuts.usable.__wrapped__())
        self.assertEqual(1, self.logged(f'{shortcuts.VARIABLE} is set'))


class TestPrivateNames(base.TestCase):
    def private(self, path: pathlib.Path) -> set[str]:
        """The private attributes of other objects that a module uses."""
        return {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and node.attr.startswith('_')
            and not node.attr.startswith('__')
            and not (
                isinstance(node.value, ast.Name)
                and node.value.id in ('self', 'cls')
            )
        }

    def test_messaging_uses_none_that_is_not_looked_for(self) -> None:
        looked_for = {
            part.name
            for parts in shortcuts.needed().values()
            for part in parts
        }
        used: set[str] = set()
        for path in (_PACKAGE / 'messaging').glob('*.py'):
            used |= self.private(path)
        self.assertEqual(set(), used - looked_for - _OURS)

    def test_no_other_package_imports_a_private_module(self) -> None:
        found = [
            f'{path.relative_to(_PACKAGE)}: {node.module}'
            for path in sorted(_PACKAGE.rglob('*.py'))
            if path.parent.name != 'messaging'
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
            and (node.module or '').startswith(
                ('oslo_messaging', 'kombu', 'amqp')
            )
            and '._' in f'.{node.module}'
        ]
        self.assertEqual([], found)
