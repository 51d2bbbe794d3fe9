"""Prometheus metrics, logs and `/status`.

Others use `http_metrics`, `list_metrics`, `logs`, `metrics_folder`, `status` and `watch_metrics`.
"""
