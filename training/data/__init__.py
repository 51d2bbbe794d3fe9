"""Snapshot, preparation and split of the data, and the workspace that they are in.

Others use `preparation`, `prepared`, `snapshot`, `split` and `workspace`.
"""
