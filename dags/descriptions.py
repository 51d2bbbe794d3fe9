"""What each task does and what its failure means: shown on the task's page in Airflow."""

from training.models.registry import REGISTRY, names

TASKS = {
    "ingest": (
        "Loads each new file in the inbox, then moves it to `done/` or `failed/` with a report beside it. An "
        "unreadable file does not fail the run."
    ),
    "index": "Computes vectors for items whose text has none yet. The slowest task of the first run.",
    "snapshot": (
        "Exports the database at a watermark and adds the export to DVC's cache. **Skipped** if nothing has "
        "changed since the snapshot of the bundle in service, or a new shop has no interactions yet."
    ),
    "validate": (
        "Checks the snapshot against the suites in `data_checks/suites/`. If it fails, the log names the "
        "expectation and the column: fix the data, then clear `snapshot` to run again from there."
    ),
    "prepare": "Splits the snapshot by time and builds the matrices that the models train on.",
    **{f"train_{name}": f"{REGISTRY[name].title}." for name in names(scope="bundle", role="served")},
    "train_baselines": "Baselines and challengers, which the served models are compared with.",
    "evaluate": "Evaluates every model, and the blend, on the same held-out period.",
    "bundle": "Packs the models into a bundle, with everything `make replay` needs to rebuild it.",
    "commit": "Writes `dvc.lock` and adds the output of every stage to DVC's cache.",
    "gate": (
        "Compares the new bundle with the one in service. **Failed** means the new bundle was rejected: the "
        "log has a table of every check, and the old bundle stays in service. Users are not affected."
    ),
    "deploy": "Stores the bundle and puts it into service: updates the deployment row and MLflow's aliases.",
    "compute_trending": (
        "Recomputes the trending scores: recent interactions, weighted down with age. If it fails, the "
        "previous scores stay."
    ),
    "make_partitions": (
        "Creates database partitions ahead of time: 30 days for impressions, half a year for interactions. "
        "If it fails, the existing ones suffice until a later run creates more."
    ),
    "guard": "Rolls back a new bundle whose click rate is significantly below that of the previous one.",
    "mirror_registry": (
        "Updates MLflow's aliases to match the bundle in service, after a rollback over HTTP for example. "
        "The service itself follows the database, so a failure here changes no recommendation."
    ),
    "log_clicks": "Logs the click rate of the bundle in service to its run in MLflow.",
    "check_quality": (
        "**Failed** means that the bundle or the trending scores are too old, or that the service is slow or "
        "down. The log says which. Before the first bundle nothing is checked. No other task depends on it."
    ),
    "measure_drift": (
        "Compares the catalogue with the snapshot that the bundle in service was trained on, and the newest "
        "day and week of interactions with those before. Report: `<home>/monitoring/drift.html`. The tasks "
        "after it are **skipped** if nothing has drifted, or during the cooldown after a training that drift "
        "started."
    ),
    "learn_blend": (
        "Searches the blend's weights on validation windows and writes them into `params.yaml` if they are "
        "better. **Skipped** before the first snapshot, or while the history has no validation window."
    ),
    "train": "Starts `daily_training`.",
    "drift_triggered": "Records that drift started a training, which begins the cooldown.",
    "retention": (
        "Deletes old bundles, their files in MLflow, snapshots, partitions, reports and logs, unless "
        "something still uses them."
    ),
}
