"""Convolutional networks in JAX with their backward pass written out.

The public names are those of `jaxcnn._public`. They are imported when the first of them
is asked for, so that the command `jaxcnn` can answer, or be interrupted, before JAX is
imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jaxcnn.version import __version__ as __version__

if TYPE_CHECKING:
    from jaxcnn._public import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module 'jaxcnn' has no attribute {name!r}")
    public = import_module("jaxcnn._public")
    names = {each: getattr(public, each) for each in public.__all__}
    globals().update(names, __all__=public.__all__)
    if name not in globals():
        raise AttributeError(f"module 'jaxcnn' has no attribute {name!r}")
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
