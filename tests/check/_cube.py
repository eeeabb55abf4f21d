"""x^3 with a rule of one's own, and which checks failed."""

import jax


def cube(x):
    return x**3


def rule(derivative):
    """x^3 with a rule of one's own."""
    f = jax.custom_vjp(cube)
    f.defvjp(lambda x: (cube(x), x), lambda x, dy: (derivative(x) * dy,))
    return f


X = jax.ShapeDtypeStruct((3, 4), "float32")


def failed(result):
    return {check.name for check in result.failures}
