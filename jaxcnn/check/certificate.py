"""All verdicts on one function."""

from __future__ import annotations

from typing import Literal, NamedTuple

from jaxcnn.check.measure import Check

Label = Literal["exact", "unbiased", "biased"]


class Certificate(NamedTuple):
    """All verdicts on one function."""

    label: Label
    """What the gradient was certified as."""
    checks: tuple[Check, ...]
    left_out: dict[str, str]
    """Checks that were not made, and why."""
    not_compared: tuple[str, ...] = ()
    """Layers of both functions whose rules are pinned by `jaxcnn.layers.using`. Both
    functions are the same there, so nothing was compared."""

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    @property
    def autodiff_wrong(self) -> tuple[Check, ...]:
        """Checks in which the reference, in the dtype of the arguments, has an error
        that rounding does not explain."""
        return tuple(check for check in self.checks if check.autodiff_detail)

    def __str__(self) -> str:
        lines = []
        for c in self.checks:
            line = (
                f"{'ok  ' if c.passed else 'FAIL'} {c.name:<12} {c.of:<12} error {c.error:.1e} of"
                f" {c.tolerance:.1e}"
            )
            if c.autodiff_error is not None:
                line += f", autodiff's {c.autodiff_error:.1e}"
            lines.append("  ".join(part for part in (line, c.detail, c.diagnosis) if part))
        lines += [f"--   {name:<12} left out: {why}" for name, why in self.left_out.items()]
        lines += [
            f"!    not compared: layer {path!r} keeps its own rules in both functions"
            for path in self.not_compared
        ]
        lines += [
            f"!    autodiff is wrong here: {c.name} of {c.of}, {c.autodiff_detail}"
            for c in self.autodiff_wrong
        ]
        return "\n".join(lines)
