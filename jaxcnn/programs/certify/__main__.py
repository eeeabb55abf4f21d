"""python -m jaxcnn.programs.certify: see `program.py`."""

import sys

from jaxcnn.programs.interruption import end_at_once

if __name__ == "__main__":
    end_at_once("compare_gradients")
    from jaxcnn.programs.certify.program import command_line

    sys.exit(command_line())
