"""Filters that requests bring: a small language over the fields of the items, read into masks of rows.

Others use `masks`, `reading` and `tree`.
"""
