"""An entry of the reference: a public name, its signature and its docstring."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ForwardRef

import jaxcnn
from docs.site.docstrings import as_markdown
from docs.site.links import Links
from docs.site.markdown import escaped
from docs.site.pages import ROOT

MOST_FIELDS = 8
"""Of a tuple whose constructor is shown."""


def entry(name: str, links: Links) -> str:
    """The entry of a name, as MyST Markdown.

    Raises:
      ValueError: if there is nothing of this name.
    """
    try:
        value = pkgutil.resolve_name(name)
    except (AttributeError, ImportError) as error:
        raise ValueError(f"{links.source}: there is no {name}") from error
    module = getattr(value, "__module__", None) or ""
    if module.startswith("jaxcnn."):
        links = links._replace(source=_file(sys.modules[module]))
    if inspect.isclass(value):
        kind, signature, body = "class", _constructor(value), _class_body(value)
    elif name.rpartition(".")[2].isupper() or not inspect.isroutine(value):
        kind, signature, body = "data", "", _constant(name, links)
    else:
        kind, signature, body = "function", shown_signature(value), as_markdown(_doc(value), 4)
    found = f"\n\n{where}" if kind != "data" and (where := _defined(links)) else ""
    return f"``````{{py:{kind}}} {name}{signature}\n\n{links.rewrite(body)}{found}\n``````"


def shown_signature(function: Any, skipped: int = 0) -> str:
    """The signature as a person writes it, without the first `skipped` arguments."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[skipped:]
    parts, bare_star = [], False
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            bare_star = True
        if parameter.kind is parameter.KEYWORD_ONLY and not bare_star:
            parts.append("*")
            bare_star = True
        parts.append(_parameter(parameter))
    returns = signature.return_annotation
    arrow = "" if returns is signature.empty else f" -> {_annotation(returns)}"
    return f"({', '.join(parts)}){arrow}"


def _parameter(parameter: inspect.Parameter) -> str:
    text = str(parameter.replace(annotation=parameter.empty, default=parameter.empty))
    if parameter.annotation is not parameter.empty:
        text += f": {_annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        text += f" = {_default(parameter.default)}"
    return text


def _annotation(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    return inspect.formatannotation(annotation).replace("typing.", "").replace("~", "")


def _default(value: Any) -> str:
    """A default as it is written: objects by their public name."""
    for name in ("EXPLICIT", "AUTODIFF"):
        if value is getattr(jaxcnn, name):
            return name
    for name in ("HE_NORMAL", "LECUN_NORMAL"):
        if value is getattr(jaxcnn.layers, name):
            return name
    text = repr(value)
    return text if not text.startswith("<") else getattr(value, "__name__", "...")


def _doc(value: Any) -> str:
    return inspect.getdoc(value) or ""


def _file(module: Any) -> str:
    return Path(module.__file__).resolve().relative_to(ROOT).as_posix()


def _defined(links: Links) -> str:
    """A link to the file of a name, if it is a page."""
    page = next((page for page in links.pages if page.source == links.source), None)
    return f"Derivation and code: [`{page.source}`]({links.to(page)})." if page else ""


# Classes


def _constructor(cls: type) -> str:
    fields = getattr(cls, "_fields", ())
    if not 0 < len(fields) <= MOST_FIELDS:
        return ""
    return shown_signature(cls.__new__, skipped=1).partition(" -> ")[0]


def _class_body(cls: type) -> str:
    text = inspect.cleandoc(cls.__doc__ or "")
    parts = [as_markdown(text, 4)] if text else []
    fields = getattr(cls, "_fields", ())
    if fields and "Attributes:" not in text:
        said = dict(_said_of_fields(cls))
        if said:
            parts += [f"`{field}`\n: {escaped(said.get(field, 'see below.'))}" for field in fields]
        else:
            parts.append("Fields: " + ", ".join(f"`{field}`" for field in fields) + ".")
    parts += [_member(name, value) for name, value in vars(cls).items() if _is_said(name, value)]
    return "\n\n".join(parts)


def _is_said(name: str, value: Any) -> bool:
    kinds = property | functools.cached_property | staticmethod | classmethod
    of_class = isinstance(value, kinds) or inspect.isfunction(value)
    return not name.startswith("_") and of_class and bool(inspect.getdoc(value))


def _member(name: str, value: Any) -> str:
    if isinstance(value, property | functools.cached_property):
        kind, signature = "property", ""
    else:
        function = inspect.unwrap(getattr(value, "__func__", value))
        skipped = 0 if isinstance(value, staticmethod) else 1
        kind, signature = "method", shown_signature(function, skipped)
    body = as_markdown(_doc(value), 4)
    return f"`````{{py:{kind}}} {name}{signature}\n\n{body}\n`````"


def _said_of_fields(cls: type) -> Iterator[tuple[str, str]]:
    """The strings below the fields of a class."""
    tree = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(tree, ast.ClassDef)
    yield from _said_below(tree.body)


def _said_below(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, below in itertools.pairwise(body):
        target = getattr(statement, "target", None) or next(
            iter(getattr(statement, "targets", ())), None
        )
        text = below.value if isinstance(below, ast.Expr) else None
        if isinstance(target, ast.Name) and isinstance(text, ast.Constant):
            yield target.id, inspect.cleandoc(str(text.value))


# Constants, and names of types


def _constant(name: str, links: Links) -> str:
    """The string below its definition, in the modules of its package; "" if none."""
    package, _, own = name.rpartition(".")
    folder = Path(pkgutil.resolve_name(package).__file__).parent
    for file in sorted(folder.glob("*.py")):
        said = dict(_said_below(ast.parse(file.read_text(encoding="utf-8")).body))
        if own in said:
            return as_markdown(said[own], 4)
    return ""
