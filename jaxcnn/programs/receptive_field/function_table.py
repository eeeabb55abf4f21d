"""The table of what a function sees, an axis in each row."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from jaxcnn.programs.messages import times
from jaxcnn.seen import Seen


def centre(sizes: Sequence[int]) -> tuple[int, ...]:
    """The position in the middle; of an even number, the one behind the middle."""
    return tuple(size // 2 for size in sizes)


def function_table(title: str, seen: Seen) -> Table:
    """Size, stride and padding per axis, and the first and last positions that the
    centre output sees and that the centre input reaches."""
    sizes = f"{times(seen.input_size)} -> {times(seen.output_size) or 'no space'}"
    table = Table(title=f"What an output of {title} sees, {sizes}")
    columns = ("axis", "size", "stride", "padding", "output", "sees", "input", "reaches")
    for name in columns:
        table.add_column(name, no_wrap=True)
    outputs, inputs = centre(seen.output_size), centre(seen.input_size)
    sees, reaches = seen.interval(outputs), seen.reach(inputs)
    for axis in range(max(len(inputs), len(outputs))):
        window = [each[axis] for each in (seen.size, seen.stride, seen.padding)] if axis < len(
            inputs
        ) else []  # fmt: skip
        table.add_row(
            str(axis),
            *(["-" if value is None else str(value) for value in window] or ["-"] * 3),
            str(outputs[axis]) if axis < len(outputs) else "-",
            _interval(sees, axis),
            str(inputs[axis]) if axis < len(inputs) else "-",
            _interval(reaches, axis),
        )
    aligned = "see" if seen.aligned else "do not see"
    table.caption = f"-: no window that moves with the output; branches {aligned} the same centres"
    return table


def _interval(hull: Sequence[tuple[int, int]] | None, axis: int) -> str:
    if hull is None:
        return "nothing"
    return f"{hull[axis][0]} to {hull[axis][1]}" if axis < len(hull) else "-"
