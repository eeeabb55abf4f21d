"""python -m experiments.filters: see `program.py`."""

from jaxcnn.programs.interruption import end_at_once, leave

if __name__ == "__main__":
    end_at_once("filters")
    from experiments.filters.program import command_line

    leave(command_line())
