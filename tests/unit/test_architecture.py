"""The documents about the code name what is there."""

import ast
import functools
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from tests import base
from tools import architecture

ROOT = architecture.ROOT
MAP = 'doc/architecture.rst'
GLOSSARY = 'doc/glossary.rst'
DOCUMENTS = (MAP, GLOSSARY, 'CONTRIBUTING.rst')

# ``path.py`` or ``path.py: name, Class.name``
_REFERENCE = re.compile(r'``([\w./-]+\.py)(?:: ([\w., ]+))?``')
# A path with one of these stands for many.
_PLACEHOLDER = re.compile(r'\b(NAME|NOUN|GROUP)\b|NNNN')
# Where the paths of documents begin, if not in the package.
_TOP = ('benchmarks', 'examples', 'tests', 'tools')

# The packages whose modules the glossary explains.
_EXPLAINED = (
    *('conductor', 'db', 'member', 'messaging', 'objects', 'rpcapi'),
    'servicegroup',
)
# Modules whose names are plain words, or those of the libraries.
_PLAIN = {
    *('arguments', 'base', 'broker', 'clock', 'database', 'deadline'),
    *('dispatcher', 'exporter', 'fields', 'library options', 'manager'),
    *('metrics', 'models', 'notification', 'remote error', 'schema'),
    *('serializer', 'topics', 'transports', 'typed rows'),
}


class Reference(NamedTuple):
    """A document's reference to code.

    :ivar names: qualified, such as Service.join
    """

    path: str
    names: tuple[str, ...]

    def file(self) -> pathlib.Path:
        if self.path.partition('/')[0] in _TOP:
            return ROOT / self.path
        return ROOT / 'sgconductor' / self.path


def references(text: str) -> Iterator[Reference]:
    """All references in a document, without those to no file of ours."""
    for path, names in _REFERENCE.findall(re.sub(r'\s+', ' ', text)):
        if not _PLACEHOLDER.search(path):
            yield Reference(path, tuple(names.split(', ')) if names else ())


@functools.cache
def defined(file: pathlib.Path) -> set[str]:
    """What a module defines, by qualified name."""
    return set(_defined(ast.parse(file.read_text()).body, ''))


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield f'{prefix}{node.name}'
        elif isinstance(node, ast.ClassDef):
            yield f'{prefix}{node.name}'
            yield from _defined(node.body, f'{prefix}{node.name}.')
        elif isinstance(node, ast.AnnAssign):
            yield f'{prefix}{ast.unparse(node.target)}'
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield f'{prefix}{ast.unparse(target)}'


class TestPicture(base.TestCase):
    def test_picture_is_that_of_the_code(self) -> None:
        drawn = architecture.draw(architecture.packages())
        self.assertTrue(
            drawn == architecture.PICTURE.read_text(),
            'doc/architecture.svg is not what the code is. Draw it again: '
            'python tools/architecture.py',
        )

    def test_picture_is_the_same_each_time(self) -> None:
        first, second = (
            architecture.draw(architecture.packages()) for _ in range(2)
        )
        self.assertEqual(first, second)

    def test_picture_has_every_package(self) -> None:
        package = ROOT / 'sgconductor'
        self.assertEqual(
            sorted(
                path.stem
                for path in package.iterdir()
                if (path / '__init__.py').exists()
                or (path.suffix == '.py' and path.stem != '__init__')
            ),
            sorted(one.name for one in architecture.packages()),
        )


class TestDocuments(base.TestCase):
    def test_every_file_and_name_exists(self) -> None:
        missing = []
        for document in DOCUMENTS:
            text = (ROOT / document).read_text()
            for one in references(text):
                file = one.file()
                if not file.exists():
                    missing.append(f'{document}: {one.path}')
                    continue
                missing += [
                    f'{document}: {one.path}: {name}'
                    for name in one.names
                    if name not in defined(file)
                ]
        self.assertEqual([], missing)

    def test_every_step_of_a_walk_names_a_function(self) -> None:
        text = (ROOT / MAP).read_text()
        steps = re.findall(r'^#\. .*(?:\n   .*)*', text, re.MULTILINE)
        self.assertGreater(len(steps), 40)
        for step in steps:
            self.assertTrue(any(one.names for one in references(step)), step)


class TestGlossary(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.text = (ROOT / GLOSSARY).read_text()
        self.terms = re.findall(r'^(\w.*)\n    \S', self.text, re.MULTILINE)

    def test_words_stand_in_alphabetical_order(self) -> None:
        self.assertGreater(len(self.terms), 40)
        self.assertEqual(sorted(self.terms), self.terms)

    def test_name_of_every_module_is_explained_or_plain(self) -> None:
        paths = {one.path for one in references(self.text)}
        words = {*self.terms, *(f'{term}s' for term in self.terms)}
        missing = [
            path
            for path, word in self.modules()
            if path not in paths and word not in words | _PLAIN
        ]
        self.assertEqual([], missing)

    def modules(self) -> Iterator[tuple[str, str]]:
        """The path of each module, and its name in words."""
        for package in _EXPLAINED:
            for path in (ROOT / 'sgconductor' / package).glob('*.py'):
                if path.stem != '__init__':
                    name = path.stem.replace('_', ' ')
                    yield f'{package}/{path.name}', name
