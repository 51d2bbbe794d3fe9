"""Random operations on the running service under load, each answer held against a plain model of the shop.

    python -m benchmarks random --minutes 10

Two workers serve a small shop while bundles are deployed and rolled back, experiments start and stop, items
are made, changed, withdrawn, deleted and ingested, workers are killed, and the database is stopped, slowed
down, locked and given partitions. What an answer may hold is told by what was acknowledged before it was
asked for: `shop_model.py`.
"""
