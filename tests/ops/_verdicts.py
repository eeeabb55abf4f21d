"""What a wrong rule is told by, and in which words."""

SLOPES = {"accuracy", "adjoint", "differences", "second order"}
THE_LAST_ALONE = "of which only the last entry of axis 0 counts (= instead of +=?)"
SKIP = ("jit", "vmap", "scan")  # a wrong formula is wrong in the same way there
