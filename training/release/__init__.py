"""From trained models to a bundle in service: bundle, gate, promotion, rollback, MLflow's aliases.

Others use `bundle`, `champion`, `comparison`, `environment`, `gate`, `promotion` and `rollback`.
"""
