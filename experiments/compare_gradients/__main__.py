"""python -m experiments.compare_gradients: see `program.py`."""

import sys

from experiments.compare_gradients.program import command_line

if __name__ == "__main__":
    sys.exit(command_line())
