"""The architecture, held by a test: what may import what, and where."""

import ast
import functools
import importlib
import inspect
import sys
from pathlib import Path

import pytest

import jaxcnn
from jaxcnn.programs.command import EXTRA

PACKAGE = Path(jaxcnn.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
DEPENDENCIES = {"jax", "jaxlib", "jaxtyping", "numpy", "optax", "jaxcnn"}
OF_STORED = {"ml_dtypes", "safetensors"}
OF_PROGRAMS = EXTRA | {"markupsafe"}  # jinja2 brings it


def floor(module: str) -> int:
    """A file imports from its own floor or below; those of floor 0 are integers
    only."""
    parts = module.split(".")[1:]
    if not parts:
        return 5
    floors = {
        "version": 0,
        "arguments": 0,
        "sizes": 0,
        "window": 0,
        "padding": 0,
        "fields": 0,
        "field_arithmetic": 0,
        "parts": 0,
        "receptive": 0,
        "ops": 1,
        "layers": 2,
        "models": 3,
        "training": 3,
        "check": 3,
        "derive": 3,
        "seen": 3,
        "stored": 4,
        "programs": 5,
        "_public": 5,
        "__main__": 5,
    }
    return floors[parts[0]]


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node, node.module or ""


def guarded(tree: ast.Module) -> set[int]:
    """What a program does first of all when it is run, and what one system alone
    has."""
    return {id(inner) for node in tree.body if isinstance(node, ast.If) for inner in ast.walk(node)}


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_imports(file):
    name, tree = module_name(file), ast.parse(file.read_text())
    at_top = {id(node) for node in tree.body} | guarded(tree)
    standard = sys.stdlib_module_names
    for node, imported in imports(tree):
        root = imported.split(".")[0]
        assert id(node) in at_top, f"{imported} is imported inside a function or a condition"
        of_floor = {4: OF_STORED, 5: OF_STORED | OF_PROGRAMS}.get(floor(name), set())
        if name.startswith("jaxcnn.derive"):
            of_floor = {"sympy"}
        assert root in DEPENDENCIES | of_floor | standard, (
            f"{imported} is no dependency of the library"
        )
        if root == "optax" and floor(name) < 5:
            assert name.startswith("jaxcnn.training."), "training alone imports optax"
        if root in ("jax", "jaxtyping", "optax"):
            assert floor(name) > 0, f"{name} is integers only"
        if root == "jaxcnn":
            assert floor(imported) <= floor(name), f"{imported} is on a floor above"
            if floor(name) == floor(imported) == 3:
                assert imported.split(".")[1] == name.split(".")[1], (
                    "files of the upper floor do not import one another"
                )


def test_operations_do_not_import_one_another():
    """What operations share is in private files; `signatures` describes them all."""
    for file in (PACKAGE / "ops").glob("*.py"):
        name = module_name(file)
        if file.stem in ("__init__", "signatures"):
            continue
        for _, imported in imports(ast.parse(file.read_text())):
            if imported.startswith("jaxcnn.ops.") and not imported.startswith("jaxcnn.ops._"):
                raise AssertionError(f"{name} imports {imported}")


def test_no_public_name_hides_a_module():
    """After `import jaxcnn`, `jaxcnn.a.b` is the module a/b.py wherever there is
    one."""
    for file in FILES:
        name = module_name(file)
        if not name.startswith("jaxcnn.programs") and name != "jaxcnn":
            module = importlib.import_module(name)
            found = functools.reduce(getattr, name.split(".")[1:], jaxcnn)
            assert found is module, f"{name} is hidden by {found}"


def test_all_public_names_exist_and_are_documented():
    for name in jaxcnn.__all__:
        assert getattr(jaxcnn, name).__doc__, name


@pytest.mark.parametrize("name", jaxcnn.Ops._fields)
def test_both_ops_have_the_same_functions(name):
    """By name, text and signature: and none is in both."""
    explicit, autodiff = getattr(jaxcnn.EXPLICIT, name), getattr(jaxcnn.AUTODIFF, name)
    assert explicit is getattr(jaxcnn, name)
    assert autodiff is not explicit
    assert autodiff.__name__ == explicit.__name__ == name
    assert autodiff.__doc__ == explicit.__doc__
    assert inspect.signature(autodiff) == inspect.signature(explicit)
    assert "autodiff" not in inspect.signature(explicit).parameters


def test_no_file_is_longer_than_300_lines():
    root = PACKAGE.parent
    for file in (
        path
        for name in ("jaxcnn", "experiments", "docs", "tests")
        for path in (root / name).rglob("*.py")
    ):
        lines = len(file.read_text().splitlines())
        assert lines <= 300, f"{file} has {lines} lines"
