"""Rules of the house that no linter has."""

import ast
import pathlib
from collections.abc import Iterator

import sgconductor
from tests import base

ROOT = pathlib.Path(sgconductor.__file__).parent
LINES = 400

# Logging, type variables and registries of the libraries aside, what a module
# binds is a constant.
_MUTABLE = (
    ast.Dict,
    ast.List,
    ast.Set,
    ast.DictComp,
    ast.ListComp,
    ast.SetComp,
)


class TestStyle(base.TestCase):
    def modules(self) -> Iterator[tuple[str, ast.Module]]:
        for path in sorted(ROOT.rglob('*.py')):
            name = str(path.relative_to(ROOT))
            yield name, ast.parse(path.read_text(), name)

    def test_no_function_imports_or_uses_globals(self) -> None:
        found = [
            f'{name}:{inner.lineno}'
            for name, tree in self.modules()
            for outer in ast.walk(tree)
            if isinstance(outer, ast.FunctionDef)
            for inner in ast.walk(outer)
            if isinstance(inner, ast.Import | ast.ImportFrom | ast.Global)
        ]
        self.assertEqual([], found)

    def test_no_module_has_state(self) -> None:
        found = []
        for name, tree in self.modules():
            for node in tree.body:
                value = getattr(node, 'value', None)
                names = [
                    target.id
                    for target in getattr(node, 'targets', [])
                    if isinstance(target, ast.Name)
                ]
                if isinstance(value, _MUTABLE) and not all(
                    n == '__all__' or n.strip('_').isupper() for n in names
                ):
                    found.append(f'{name}:{node.lineno} {names}')
        self.assertEqual([], found)

    def test_every_module_says_what_it_is(self) -> None:
        found = [
            name
            for name, tree in self.modules()
            if not (ast.get_docstring(tree) or '').splitlines()
        ]
        self.assertEqual([], found)

    def test_no_module_is_long_or_named_for_a_drawer(self) -> None:
        for path in ROOT.rglob('*.py'):
            self.assertNotIn(path.stem, ('utils', 'common', 'helpers'))
            lines = len(path.read_text().splitlines())
            self.assertLessEqual(lines, LINES, str(path))
