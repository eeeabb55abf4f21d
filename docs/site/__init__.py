"""The documentation's site: see README.md beside this file."""
