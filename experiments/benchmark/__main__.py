"""python -m experiments.benchmark: see `program.py`."""

import sys

from experiments.benchmark.program import command_line

if __name__ == "__main__":
    sys.exit(command_line())
