"""Snapshot, preparation and split of the data, and the workspace that they are in."""
