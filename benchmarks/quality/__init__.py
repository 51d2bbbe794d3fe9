"""How good the models and the blend are on public data.

`python -m benchmarks.quality` prints the tables of docs/evaluation-tables.md.
"""
