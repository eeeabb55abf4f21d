"""Responses of an edge filter: see `program.py`."""
