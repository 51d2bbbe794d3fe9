"""How good lists are: metrics, confidence intervals, comparisons, tables and plots."""
