"""Which parameters are trained, and the tree that holds only these.

The optimiser and `jax.grad` get the tree of the parameters with `optax.MaskedNode()`, a
node without leaves, in the place of each frozen one. So nothing is computed or kept for
these, and transformations of optax that go by path, or use a mask of all, still fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

from jaxcnn.arguments import as_flag, described

Trainable = Callable[[str], bool] | Mapping[str, Any] | bool | None
"""A predicate on a path, "0_conv/w"; a tree of bools like the parameters, or a prefix
of one; None for all."""

Frozen = Mapping[str, None]
"""Paths, as the keys of a dict without values: a pytree without leaves, so that a state
can hold it."""


def path_name(path: tuple[Any, ...]) -> str:
    """A path in a tree as a person reads it, "0_conv/w"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def frozen_paths(trainable: Trainable, params: Any) -> dict[str, None]:
    """The paths of the parameters that are not trained.

    >>> params = {"0_conv": {"b": 0.0, "w": 0.0}, "2_dense": {"w": 0.0}}
    >>> frozen_paths(lambda path: path.endswith("w"), params)
    {'0_conv/b': None}
    >>> frozen_paths({"0_conv": False, "2_dense": True}, params)
    {'0_conv/b': None, '0_conv/w': None}
    """
    if trainable is None:
        return {}
    paths = [path_name(path) for path, _ in jax.tree.leaves_with_path(params)]
    trained = _by_predicate(trainable, paths) if callable(trainable) else _by_mask(trainable, paths)
    frozen = {path: None for path in paths if not trained[path]}
    if frozen and len(frozen) == len(paths):
        raise ValueError(
            f"trainable must leave something to train, got False for each of {some(paths)}"
        )
    return frozen


def trained_only(params: Any, frozen: Frozen) -> Any:
    """The tree with a node without leaves for each entry that is frozen."""
    if not frozen:
        return params
    return jax.tree.map_with_path(
        lambda path, leaf: optax.MaskedNode() if path_name(path) in frozen else leaf, params
    )


def with_frozen(trained: Any, params: Any, frozen: Frozen) -> Any:
    """`params` with the leaves of `trained` in their places."""
    if not frozen:
        return trained
    leaves = iter(jax.tree.leaves(trained))
    return jax.tree.map_with_path(
        lambda path, leaf: leaf if path_name(path) in frozen else next(leaves), params
    )


def agreed(trainable: Trainable, params: Any, frozen: Frozen | None) -> dict[str, None]:
    """The frozen paths. Raises an error unless `trainable` is the one that the state
    with these `params` and `frozen` was made for."""
    here, there = frozen_paths(trainable, params), frozen or {}
    if here.keys() == there.keys():
        return here
    differing = [path for path in (*here, *there) if (path in here) != (path in there)]
    side = "here, and not in the state" if differing[0] in here else "in the state, and not here"
    raise ValueError(
        f"trainable must be what init_train_state was given: {some(differing)} frozen {side}; pass"
        " the same trainable to both"
    )


def _by_predicate(predicate: Callable[[str], bool], paths: list[str]) -> dict[str, bool]:
    trained = {}
    for path in paths:
        try:
            answer = predicate(path)
        except (AttributeError, TypeError, LookupError) as error:
            raise ValueError(
                f"trainable must be a function of a path, a string such as {path!r}, to True or"
                f" False; it raised {error!r}"
            ) from error
        trained[path] = as_flag(f"trainable({path!r})", answer)
    return trained


def _by_mask(mask: Any, paths: list[str]) -> dict[str, bool]:
    needed = (
        "trainable must be a function of a path, or a tree of True and False like the parameters or"
        " a prefix of it"
    )
    trained: dict[str, bool] = {}
    for path, value in jax.tree.leaves_with_path(mask):
        entry = path_name(path)
        if isinstance(value, str):
            raise ValueError(
                f"{needed}, got {described(mask)}: lambda path: path.startswith({value!r}) is such"
                " a function"
            )
        covered = [name for name in paths if entry in ("", name) or name.startswith(f"{entry}/")]
        if not covered:
            raise ValueError(
                f"{needed}; it has an entry {entry!r}, the parameters are {some(paths)}"
            )
        trained |= dict.fromkeys(
            covered, as_flag(f"trainable at {entry!r}" if entry else "trainable", value)
        )
    missing = [path for path in paths if path not in trained]
    if missing:
        raise ValueError(f"{needed}; it has no entry for {some(missing)}")
    return trained


def some(paths: list[str]) -> str:
    """The paths, for a message: the first three if there are many."""
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(map(repr, paths[:3])) + more
