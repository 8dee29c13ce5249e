"""Data flows down, imports point up: the layers of wmenv as a table, and a walk over every import that checks it.

Imports inside functions and under TYPE_CHECKING count too: a lazy import is still a dependency. Names given as strings
(entry points, `importlib`) do not; the composition root uses them.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "wmenv"

VOCABULARY = {"contract", "errors", "config", "runtime", "episodes"}
BUILT_ON_WORLDS = VOCABULARY | {"models", "worlds", "sim", "env", "metrics", "logs", "sources"}

MAY_IMPORT = {  # what each part of wmenv may import, besides itself
    "contract": VOCABULARY,
    "errors": VOCABULARY,
    "config": VOCABULARY,
    "runtime": VOCABULARY,
    "episodes": VOCABULARY,
    "testing": VOCABULARY,
    "models": VOCABULARY,
    "worlds": VOCABULARY | {"models"},
    "sim": VOCABULARY | {"worlds"},
    "env": VOCABULARY | {"sim"},
    "metrics": VOCABULARY,
    "logs": VOCABULARY | {"metrics"},
    "sources": VOCABULARY,
    "train": BUILT_ON_WORLDS,
    "rollout": BUILT_ON_WORLDS,
    "bench": BUILT_ON_WORLDS,
    "serve": VOCABULARY | {"worlds"},
    "live": BUILT_ON_WORLDS | {"serve"},
}
TOP = {
    "make",
    "cli",
    "play",
    "record",
    "terminal",
    "window",
}  # import anything; imported by each other and the root only

FOREIGN = {  # the only third-party packages that the lowest parts may import
    "contract": {"numpy"},
    "errors": set(),
    "config": {"numpy", "pydantic", "yaml"},
    "runtime": {"numpy", "torch", "threadpoolctl"},
    "episodes": {"numpy", "safetensors"},
    "metrics": {"numpy", "scipy"},
}
ONLY_IN = {"minigrid": {"sources"}}  # a learned world never meets the simulator it was trained on

Import = tuple[str, str, int]  # importing module, imported module, line


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}


def imports_of(module: str, tree: ast.AST) -> Iterator[Import]:
    """Every import in `tree`, with `from wmenv import contract` read as an import of `wmenv.contract`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield module, alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively; say the whole name"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield module, submodule if submodule in MODULES else str(node.module), node.lineno


TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}
IMPORTS = [found for name, tree in TREES.items() for found in imports_of(name, tree)]


def part(module: str) -> str:
    """The second component of a module's name: the part of wmenv that the table speaks of; "" for the root."""
    return [*module.split("."), ""][1]


def wrong_direction(imports: list[Import]) -> list[str]:
    complaints = []
    for module, imported, line in imports:
        importer, target = part(module), part(imported)
        internal = imported.split(".")[0] == "wmenv"
        if not internal or importer == target or importer in TOP or importer == "":
            continue
        if target not in MAY_IMPORT[importer]:
            complaints.append(
                f"{module}:{line} imports {imported}; {importer} may import {sorted(MAY_IMPORT[importer])}"
            )
    return complaints


def test_every_part_has_its_place_in_the_table():
    assert {part(module) for module in MODULES} - {""} <= MAY_IMPORT.keys() | TOP


def test_no_import_points_the_wrong_way():
    assert not wrong_direction(IMPORTS)


@pytest.mark.parametrize(
    ("module", "line", "caught"),
    [
        ("wmenv.worlds.source", "from wmenv.models.words import Words", False),
        ("wmenv.worlds.source", "def lazily():\n    from wmenv.env.vector import WorldVectorEnv", True),
        ("wmenv.metrics.latency", "from wmenv import logs", True),
        ("wmenv.env.vector", "import wmenv", True),
        ("wmenv.env.vector", "import wmenv.make", True),
        ("wmenv.contract", "from wmenv.errors import WmenvError", False),
        ("wmenv.cli", "import wmenv.train", False),
    ],
)
def test_the_walk_sees_imports_wherever_they_hide(module, line, caught):
    found = list(imports_of(module, ast.parse(line)))
    assert found
    assert bool(wrong_direction(found)) is caught


def test_modules_do_not_need_each_other_in_a_circle_to_load():
    graph: dict[str, set[str]] = {}
    for name, tree in TREES.items():
        at_load = [imported for node in tree.body for _, imported, _ in imports_of(name, node) if is_import(node)]
        graph[name] = {imported for imported in at_load if imported in MODULES} - {name}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_the_lowest_parts_depend_on_almost_nothing():
    for module, imported, line in IMPORTS:
        allowed = FOREIGN.get(part(module))
        package = imported.split(".")[0]
        ours_or_standard = package == "wmenv" or package in sys.stdlib_module_names
        assert allowed is None or ours_or_standard or package in allowed, f"{module}:{line} imports {package}"


def test_a_simulator_is_imported_only_where_data_comes_from():
    for module, imported, line in IMPORTS:
        homes = ONLY_IN.get(imported.split(".")[0])
        assert homes is None or part(module) in homes, f"{module}:{line} imports {imported}"
