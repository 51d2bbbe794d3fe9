"""Hyperparameter search, blend weights, and the benchmark on a pair of files.

Others use `search_history`.
"""
