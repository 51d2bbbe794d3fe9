"""What each task does, and what its failure means: shown on the task's page in Airflow."""

from training.models.registry import REGISTRY, names

TASKS = {
    "ingest": (
        "Loads the files of the inbox, each once, and moves them to `done/` or `failed/` with a "
        "report beside them. A file that can't be read fails alone: the run goes on."
    ),
    "index": "Encodes the texts of items that have no vector yet. The longest task of the first run.",
    "snapshot": (
        "Exports the database at a watermark and puts it into DVC's cache. **Skipped** when nothing "
        "happened since the bundle that serves."
    ),
    "validate": (
        "Checks the snapshot against the suites in `data_checks/`. When it fails, its log names the "
        "expectation and the column: fix the data, then clear `snapshot`."
    ),
    "prepare": "Splits the snapshot by time and makes the matrices that all models read.",
    **{f"train_{name}": f"{REGISTRY[name].title}." for name in names(scope="bundle", role="served")},
    "train_baselines": "Baselines and challengers, with which the served models are compared.",
    "evaluate": "Evaluates every model and their blend on the same held-out weeks.",
    "bundle": "Puts the models together, with a manifest that suffices to make them again (`make replay`).",
    "commit": "Writes `dvc.lock`, and the files of all stages into DVC's cache.",
    "gate": (
        "Compares the bundle with the one that serves. **Failed** means refused: the log has the "
        "table of all checks, and the old bundle goes on serving. No action is needed for users."
    ),
    "deploy": "Stores the bundle and promotes it: registry aliases and the row that the service follows.",
    "compute_trending": (
        "Counts recent interactions by a weight that decays with age. When it fails, the last scores stay."
    ),
    "make_partitions": (
        "Partitions of the database for the next days. When it fails, rows wait in the default one."
    ),
    "guard": "Rolls back a bundle whose lists are clicked significantly less than its predecessor's were.",
    "mirror_registry": (
        "Points MLflow's aliases at what serves: a rollback over HTTP starts this run for it. Users are "
        "served by what the database says, so a failure here changes no list."
    ),
    "log_clicks": "Writes the click rate of the serving bundle to its run in MLflow.",
    "check_quality": (
        "**Failed** means that something is old or slow; its log says what. Nothing behind it waits."
    ),
    "measure_drift": (
        "Compares the database with the snapshot that the serving bundle learned from. Page: "
        "`<home>/monitoring/drift.html`. What follows is **skipped** when nothing drifted, or a "
        "training was started lately."
    ),
    "train": "Starts `daily_training`.",
    "drift_triggered": "Notes that drift has started a training: it starts no other within the cooldown.",
    "retention": (
        "Deletes bundles, their files in MLflow, snapshots, partitions and reports that are old, and that "
        "nothing needs any more."
    ),
}
