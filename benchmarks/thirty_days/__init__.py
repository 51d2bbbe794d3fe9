"""Thirty days of a shop in minutes, on the running platform, with planted faults: docs/thirty-days.md."""
