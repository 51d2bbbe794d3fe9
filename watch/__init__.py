"""What looks after a bundle in service: drift, the deployment guard, alerts, retention. `dags` calls it."""
