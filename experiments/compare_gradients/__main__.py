"""python -m experiments.compare_gradients: see `program.py`."""

import sys

from experiments.interruption import end_at_once

if __name__ == "__main__":
    end_at_once("compare_gradients")
    from experiments.compare_gradients.program import command_line

    sys.exit(command_line())
