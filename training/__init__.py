"""What is learned: from a snapshot of the database to a bundle in service, a package for each job.

`serving` uses `models` and `params` only. No package imports one that comes later in this order: models,
params, data, evaluation, tracking, release, tuning, pipeline. Others use `errors` and `markdown`.
"""
