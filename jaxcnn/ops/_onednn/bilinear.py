"""A custom call that is linear in each of two arrays, as a primitive of JAX.

What is its own, such as its type and its two gradients, stands where the primitive is
made. What all have in common is here: how it is computed eagerly, and how it is
lowered.

    on a CPU            the call; if devices share an axis, each computes its own part,
                        and where that axis is summed over, the parts are added up
    on other platforms, and in a program that is exported
                        a portable function in its place
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
from jax import Array, lax
from jax.experimental.custom_partitioning import custom_partitioning
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import NamedSharding, PartitionSpec

from jaxcnn.ops._onednn.certain import MECHANISM

Compute = Callable[..., Array]


class Axes(NamedTuple):
    """The names of the axes of both operands and of the result, and those that devices
    may share. All others are whole on each device."""

    a: tuple[str, ...]
    b: tuple[str, ...]
    result: tuple[str, ...]
    shared: tuple[str, ...]


def bilinear(
    name: str,
    type_of: Callable[..., Any],
    call: Compute,
    portable: Compute,
    axes: Callable[..., Axes],
    gradient_of_a: Compute,
    gradient_of_b: Compute,
    of_a_batch: Callable[..., tuple[Array, int]],
) -> Primitive:
    """The primitive. Each function takes its parameters by name.

    Args:
      type_of: (a, b) -> the type of the result, of types.
      call, portable: (a, b) -> result.
      axes: () -> `Axes`.
      gradient_of_a: (dy, b) -> da, in any dtype.
      gradient_of_b: (a, dy) -> db, in any dtype.
      of_a_batch: (operands, their batch axes) -> (result, its batch axis).
    """
    primitive = Primitive(name)

    def in_place_of_it(context, a, b, **parameters):
        compute = partial(portable, **parameters)
        return mlir.lower_fun(compute, multiple_results=False)(context, a, b)

    def on_cpu(context, a, b, **parameters):
        module = context.module_context
        if getattr(module.lowering_parameters, "for_export", True):
            return in_place_of_it(context, a, b, **parameters)
        compute: Compute = partial(call, **parameters)
        if getattr(module.axis_context, "num_devices", None) != 1:
            compute = _shared(call, tuple(parameters.items()), axes(**parameters))
        return mlir.lower_fun(compute, multiple_results=False)(context, a, b)

    def eagerly(a, b, **parameters):
        return _jitted(primitive, tuple(parameters.items()))(a, b)

    primitive.def_abstract_eval(type_of)
    primitive.def_impl(eagerly)
    ad.defbilinear(
        primitive,
        lambda dy, a, b, **rest: gradient_of_a(dy, b, **rest).astype(a.aval.dtype),
        lambda dy, a, b, **rest: gradient_of_b(a, dy, **rest).astype(b.aval.dtype),
    )
    batching.primitive_batchers[primitive] = of_a_batch
    mlir.register_lowering(primitive, in_place_of_it)
    mlir.register_lowering(primitive, on_cpu, platform="cpu")
    if MECHANISM is not None:
        MECHANISM.add(primitive)
    return primitive


@lru_cache(maxsize=1024)
def _jitted(primitive: Primitive, parameters: tuple[tuple[str, Any], ...]) -> Compute:
    return jax.jit(partial(primitive.bind, **dict(parameters)))


@lru_cache(maxsize=1024)
def _shared(call: Compute, parameters: tuple[tuple[str, Any], ...], axes: Axes) -> Compute:
    """The call, of operands that the compiler may have split over devices."""
    compute = partial(call, **dict(parameters))
    function = custom_partitioning(lambda a, b: compute(a, b))

    def split(operands):
        """The mesh axes over which each shared axis of a is split."""
        spec = tuple(operands[0].sharding.spec)
        spec += (None,) * (len(axes.a) - len(spec))
        return {name: part for name, part in zip(axes.a, spec, strict=True) if name in axes.shared}

    def shardings(mesh, operands):
        parts = split(operands)
        return [
            NamedSharding(mesh, PartitionSpec(*(parts.get(name) for name in names)))
            for names in (axes.a, axes.b, axes.result)
        ]

    def partition(mesh, operands, result):
        of_a, of_b, of_result = shardings(mesh, operands)
        parts = split(operands)
        summed = [parts[name] for name in axes.shared if name not in axes.result and parts[name]]

        def of_a_device(a, b):
            y = compute(a, b)
            return lax.psum(y, summed[0]) if summed else y

        return mesh, of_a_device, of_result, (of_a, of_b)

    def infer(mesh, operands, result):
        return shardings(mesh, operands)[-1]

    every = tuple(dict.fromkeys((*axes.a, *axes.b, *axes.result)))  # in the rule's order
    function.def_partition(
        partition=partition,
        infer_sharding_from_operands=infer,
        sharding_rule=f"{' '.join(axes.a)}, {' '.join(axes.b)} -> {' '.join(axes.result)}",
        need_replication_factors=tuple(name for name in every if name not in axes.shared),
        reduction_factors=tuple(name for name in axes.shared if name not in axes.result),
    )
    return function
