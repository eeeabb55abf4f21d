"""How far the work is, on the console: a bar at a terminal, elsewhere a line at each
tenth."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)


def progress_bars(console: Console) -> Progress:
    """The bars, one for each stage, with a note such as "2 failed" at the end."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


class Stage:
    """One kind of work, of which there is so much to do: "judging", "timing"."""

    def __init__(self, progress: Progress, description: str, total: int):
        self.progress = progress
        self.bar: TaskID = progress.add_task(description, total=total, note="")

    def one_done(self, note: str = "") -> None:
        """One more is done."""
        self.progress.update(self.bar, advance=1, note=note)
        self._tell()

    def done(self, count: int) -> None:
        """So many are done in all."""
        self.progress.update(self.bar, completed=count)
        self._tell()

    def _tell(self) -> None:
        task = self.progress.tasks[self.bar]
        tenth = max(1, int(task.total or 1) // 10)
        if not self.progress.console.is_terminal and (
            int(task.completed) % tenth == 0 or task.completed == task.total
        ):
            say(
                self.progress.console,
                f"{task.description}: {int(task.completed)} of {int(task.total or 0)},"
                f" {task.elapsed or 0:.0f} s",
            )


def say(console: Console, line: str) -> None:
    """Print a line as it is, however long."""
    console.print(line, highlight=False, soft_wrap=True, markup=False)
