"""A/B and shadow tests: statistics that stay valid however often they are read, and `python -m experiments`.

The service and `watch` read results with `reading`.

Others use `off_policy`, `reading` and `statistics`.
"""
