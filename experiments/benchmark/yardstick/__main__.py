"""python -m experiments.benchmark.yardstick: see `program.py`."""

from jaxcnn.programs.huge_pages import use_huge_pages
from jaxcnn.programs.interruption import end_at_once

if __name__ == "__main__":
    end_at_once("yardstick")
    use_huge_pages()
    from experiments.benchmark.yardstick.program import command_line
    from jaxcnn.programs.interruption import leave

    leave(command_line())
