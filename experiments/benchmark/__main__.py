"""python -m experiments.benchmark: see `program.py`."""

import sys

from experiments.huge_pages import use_huge_pages

if __name__ == "__main__":
    use_huge_pages()
    from experiments.benchmark.program import command_line

    sys.exit(command_line())
