"""MLflow, and the only import of it: runs, what is written to them, registered versions and aliases.

Others use `cards`, `lineage`, `registry`, `retention`, `run`, `tracker` and `versions`.
"""
