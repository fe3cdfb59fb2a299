"""Draw doc/architecture.svg, the layers of sgconductor, from the code.

    python tools/architecture.py

The layers are those of pyproject.toml; the imports are what grimp finds, as
lint-imports does. What is said of a package is the first line of its
docstring. The same code gives the same picture.
"""

import ast
import dataclasses
import pathlib
import textwrap
import tomllib
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from xml.sax import saxutils

import grimp

ROOT = pathlib.Path(__file__).resolve().parents[1]
PICTURE = ROOT / 'doc' / 'architecture.svg'

_PACKAGE = 'sgconductor'

# In pixels. A row is as high as its text.
_MARGIN = 24
_HEAD = 74
_BOX = 500
_LINE = 15
_PAD = 10
_GAP = 6
# Between the lines of two packages.
_STEP = 30
_LETTERS = 78

# The lines of two neighbours have different colours.
_COLOURS = ('#1f5fa8', '#b3541e', '#2f7d4f', '#8a3f8f')
_WRONG = '#d00000'

_STYLE = """
text { font-family: Helvetica, Arial, sans-serif; fill: #1d2733; }
.title { font-size: 20px; font-weight: bold; }
.legend { font-size: 12.5px; fill: #465363; }
.name { font-size: 15px; font-weight: bold; }
.summary { font-size: 12.5px; }
.modules { font-size: 11.5px; fill: #5c6875; }
.layer { fill: #eef2f7; }
.box { fill: #ffffff; stroke: #9aa7b5; }
.row { stroke: #c3ccd6; }
"""


@dataclasses.dataclass(frozen=True)
class Package:
    """A package or a module right below sgconductor.

    :ivar layer: its number, from the top
    :ivar summary: the first line of its docstring
    :ivar modules: the names of the modules in it
    :ivar imports: the names of the packages that it imports
    """

    name: str
    layer: int
    summary: str
    modules: Sequence[str]
    imports: Collection[str]


def packages() -> list[Package]:
    """All packages, from the top layer to the bottom one."""
    graph = grimp.build_graph(_PACKAGE, cache_dir=None)
    found = []
    for number, names in enumerate(_layers()):
        for name in names:
            path = f'{_PACKAGE}.{name}'
            imported = {
                other.split('.')[1]
                for module in (path, *graph.find_descendants(path))
                for other in graph.find_modules_directly_imported_by(module)
                if '.' in other
            }
            found.append(
                Package(
                    name,
                    number,
                    _summary(name),
                    sorted(
                        module.rpartition('.')[2]
                        for module in graph.find_children(path)
                    ),
                    sorted(imported - {name}),
                )
            )
    return found


def _layers() -> list[list[str]]:
    """The names of each layer, from the top, as lint-imports has them."""
    with (ROOT / 'pyproject.toml').open('rb') as file:
        contracts = tomllib.load(file)['tool']['importlinter']['contracts']
    (contract,) = (one for one in contracts if one['type'] == 'layers')
    return [
        [name.strip() for name in layer.split('|')]
        for layer in contract['layers']
    ]


def _summary(name: str) -> str:
    path = ROOT / _PACKAGE / name
    file = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
    text = ast.get_docstring(ast.parse(file.read_text())) or ''
    return text.partition('\n')[0].replace('``', '')


class _Row:
    """The place of a package in the picture."""

    def __init__(self, package: Package, number: int, top: int) -> None:
        self.package = package
        self.top = top
        self.summary = textwrap.wrap(package.summary, _LETTERS - 5)
        self.modules = textwrap.wrap(', '.join(package.modules), _LETTERS)
        lines = 1 + len(self.summary) + len(self.modules)
        self.height = lines * _LINE + 2 * _PAD
        self.y = top + self.height // 2
        self.x = _MARGIN + _BOX + _STEP * (number + 1)
        self.colour = _COLOURS[number % len(_COLOURS)]


def draw(packages: Sequence[Package]) -> str:
    """The picture of packages, as SVG."""
    rows: dict[str, _Row] = {}
    top = _HEAD + _MARGIN
    layer = 0
    for number, package in enumerate(packages):
        top += 2 * _GAP * (package.layer - layer)
        layer = package.layer
        row = rows[package.name] = _Row(package, number, top)
        top += row.height + _GAP
    width = max(row.x for row in rows.values()) + 120
    height = top + _MARGIN
    return '\n'.join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}" role="img">',
            '<title>The layers of sgconductor, and their imports</title>',
            f'<style>{_STYLE}</style>',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *_head(),
            *_bands(list(rows.values()), width),
            *(line for row in rows.values() for line in _box(row)),
            *(line for row in rows.values() for line in _imports(row, rows)),
            '</svg>\n',
        ]
    )


def _head() -> Iterator[str]:
    yield _text(_MARGIN, 40, 'title', 'The layers of sgconductor')
    legend = (
        'Each box is a package or a module, with the modules in it. Boxes on '
        'one grey band are one layer: they do not import each other.',
        'A line leads down from each box, on the right. A dot on it stands in '
        'the row of a package that the box imports.',
    )
    for i, words in enumerate(legend):
        yield _text(_MARGIN, 62 + 17 * i, 'legend', words)


def _bands(rows: Sequence[_Row], width: int) -> Iterator[str]:
    for layer in sorted({row.package.layer for row in rows}):
        of_layer = [row for row in rows if row.package.layer == layer]
        top = of_layer[0].top - _GAP
        bottom = of_layer[-1].top + of_layer[-1].height + _GAP
        yield (
            f'<rect class="layer" x="{_MARGIN - 10}" y="{top}" rx="6" '
            f'width="{width - 2 * _MARGIN + 20}" height="{bottom - top}"/>'
        )


def _box(row: _Row) -> Iterator[str]:
    yield (
        f'<rect class="box" x="{_MARGIN}" y="{row.top}" width="{_BOX}" '
        f'height="{row.height}" rx="4"/>'
    )
    y = row.top + _PAD + 11
    yield _text(_MARGIN + 12, y, 'name', row.package.name)
    for kind, lines in (('summary', row.summary), ('modules', row.modules)):
        for line in lines:
            y += _LINE
            yield _text(_MARGIN + 12, y, kind, line)
    yield (
        f'<line class="row" x1="{_MARGIN + _BOX}" y1="{row.y}" '
        f'x2="{row.x}" y2="{row.y}"/>'
    )


def _imports(row: _Row, rows: dict[str, _Row]) -> Iterator[str]:
    ends = [rows[name] for name in row.package.imports]
    ys = [row.y, *(end.y for end in ends)]
    yield (
        f'<line x1="{row.x}" y1="{min(ys)}" x2="{row.x}" y2="{max(ys)}" '
        f'stroke="{row.colour}" stroke-width="1.6"/>'
    )
    yield (
        f'<circle cx="{row.x}" cy="{row.y}" r="5.5" fill="#ffffff" '
        f'stroke="{row.colour}" stroke-width="2"/>'
    )
    yield _text(row.x + 12, row.y + 5, 'name', row.package.name)
    for end in ends:
        down = end.package.layer > row.package.layer
        yield (
            f'<circle cx="{row.x}" cy="{end.y}" r="5" '
            f'fill="{row.colour if down else _WRONG}">'
            f'<title>{row.package.name} imports {end.package.name}</title>'
            f'</circle>'
        )


def _text(x: int, y: int, kind: str, words: str) -> str:
    escaped = saxutils.escape(words)
    return f'<text class="{kind}" x="{x}" y="{y}">{escaped}</text>'


def main() -> None:
    PICTURE.write_text(draw(packages()))


if __name__ == '__main__':
    main()
