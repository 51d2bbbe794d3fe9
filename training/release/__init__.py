"""From trained models to a bundle in service: bundle, gate, promotion, rollback, MLflow's aliases."""
