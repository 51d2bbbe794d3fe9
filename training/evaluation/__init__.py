"""How good lists are: metrics, confidence intervals, comparisons, tables and plots.

Others use `holdout`, `intervals`, `metrics`, `plots`, `ranking`, `summary`, `tables` and `windows`.
"""
