"""Checks a snapshot with Great Expectations and writes HTML Data Docs.

The suites are the JSON files in `suites/`. They are read on every run, so editing one needs no code change.
Each expectation carries the reason it exists.
"""

import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_checks.errors import DataCheckError
from data_checks.frames import Limits, read_frames
from data_checks.parts import SAMPLE, can_be_judged_in_parts, merge
from data_checks.report import Finding, Report

logger = logging.getLogger(__name__)

SUITES = Path(__file__).parent / "suites"
EARLIEST = "1995-01-01T00:00:00+00:00"
CLOCK_TOLERANCE_HOURS = 24
"""How far in the future an event may be, since clients' clocks differ."""
CRITICAL, WARNING = "critical", "warning"
"""How grave it is that an expectation fails; a warning stops nothing."""
HISTORY = 10
"""Validations kept in the Data Docs: each one makes them slower to build."""


def validate(snapshot: Path, output: Path, limits: Limits) -> Report:
    """Check the Parquet files in `snapshot`; write `result.json` and Data Docs to `output`.

    Every failed expectation is logged by name.

    Raises DataCheckError when an expectation failed; the report is written anyway.
    """
    suites = read_suites()
    description = json.loads((snapshot / "snapshot.json").read_text())
    frames = read_frames(snapshot, description, limits, suites)
    parameters = _parameters(description, limits)
    with _quiet():
        findings = _run_suites(suites, frames, output / "great_expectations", parameters)
    rows = {name: _row_count(snapshot / f"{name}.parquet") for name in ("items", "interactions")}
    report = Report(rows, tuple(findings))
    output.mkdir(parents=True, exist_ok=True)
    (output / "result.json").write_text(json.dumps(report.as_dict(), indent=1, sort_keys=True) + "\n")
    _publish_docs(output)
    for finding in report.failures:
        logger.error("Expectation %s", finding.describe())
    for finding in report.warnings:
        logger.warning("Expectation %s", finding.describe())
    if report.failures:
        raise DataCheckError(report)
    passed = len(report.findings) - len(report.warnings)
    logger.info("%d of %d expectations passed on %s.", passed, len(report.findings), report.rows)
    return report


def read_suites() -> list[dict[str, Any]]:
    """The suites, by the names of their files."""
    return [json.loads(path.read_text()) for path in sorted(SUITES.glob("*.json"))]


def _row_count(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _parameters(description: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Bounds that are not in the suites: no event may be later than the snapshot, and the limits."""
    import pandas as pd

    latest = pd.Timestamp(description["as_of"]) + pd.Timedelta(hours=CLOCK_TOLERANCE_HOURS)
    return {
        "earliest": pd.Timestamp(EARLIEST).isoformat(),
        "latest": latest.isoformat(),
        "max_unknown_share": limits.unknown,
        "max_deleted_share": limits.deleted,
        "min_good_vectors": 1.0 - limits.odd_vectors,
        "min_day_share": limits.day_share,
        "max_silent_days": limits.silent_days,
    }


def _run_suites(
    suites: Sequence[dict[str, Any]],
    frames: dict[str, Iterable[Any]],
    project: Path,
    parameters: dict[str, Any],
) -> Iterator[Finding]:
    """Run all suites in a file context under `project`."""
    import great_expectations as gx

    _forget_old_runs(project)
    context = gx.get_context(mode="file", project_root_dir=str(project))
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_or_update_pandas("snapshot")
    definitions = []
    for suite in suites:
        asset = source.add_dataframe_asset(suite["table"])
        batch = asset.add_batch_definition_whole_dataframe("whole")
        expectations = [{"severity": CRITICAL} | entry for entry in suite["expectations"]]
        suite_object = context.suites.add_or_update(
            gx.ExpectationSuite(name=suite["name"], expectations=expectations)
        )
        definitions.append(
            (suite, gx.ValidationDefinition(name=suite["name"], data=batch, suite=suite_object))
        )
    findings: list[Finding] = []
    for suite, definition in definitions:
        context.validation_definitions.add_or_update(definition)
        result = _run_in_parts(suite, definition, frames[suite["table"]], parameters)
        _store(project, suite["name"], result)
        findings.extend(_finding(suite["name"], entry) for entry in result.results)
    _show_samples(project)
    context.build_data_docs()
    return iter(findings)


def _run_in_parts(
    suite: dict[str, Any], definition: Any, frames: Iterable[Any], parameters: dict[str, Any]
) -> Any:
    """The result of a suite on a table. A suite that has to see all rows at once is given them."""
    import pandas as pd
    from great_expectations.core import RunIdentifier

    if not can_be_judged_in_parts(suite["expectations"]):
        parts = list(frames)
        frames = parts if len(parts) == 1 else [pd.concat(parts, ignore_index=True)]
    run = RunIdentifier(run_time=datetime.now(UTC))  # of all parts: each stored result replaces the last
    results = [
        definition.run(
            batch_parameters={"dataframe": frame},
            expectation_parameters=parameters,
            result_format=_sampled(suite.get("id")),
            run_id=run,
        )
        for frame in frames
    ]
    return merge(results, parameters)


def _store(project: Path, suite: str, result: Any) -> None:
    """Put the result of the whole table in place of that of its last part, for the Data Docs."""
    files = (project / "gx" / "uncommitted" / "validations" / suite).glob("*/*/*.json")
    newest = max(files, key=lambda file: file.parent.name)
    newest.write_text(json.dumps(result.to_json_dict()))


def _finding(suite: str, result: Any) -> Finding:
    """One result of Great Expectations as a Finding."""
    detail = result.result
    config = result.expectation_config
    if result.exception_info and result.exception_info.get("raised_exception"):
        observed = str(result.exception_info.get("exception_message"))
    elif "partial_unexpected_list" in detail:
        observed = f"for example {sorted({str(value) for value in detail['partial_unexpected_list']})[:5]}"
    else:
        observed = f"observed {detail.get('observed_value')}"
    return Finding(
        suite=suite,
        expectation=config.type,
        column=config.kwargs.get("column"),
        passed=bool(result.success),
        unexpected=int(detail.get("unexpected_count", 0)),
        rows=_row_ids(detail),
        observed="" if result.success else observed,
        why=(config.meta or {}).get("why", ""),
        warning=config.severity == WARNING,
    )


def _sampled(id_column: str | None) -> dict[str, Any]:
    """What Great Expectations keeps of each result: counts, and a sample of the rows by their ids."""
    sampled: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": SAMPLE}
    return sampled if id_column is None else sampled | {"unexpected_index_column_names": [id_column]}


def _show_samples(project: Path) -> None:
    """Let the Data Docs show the sampled rows: they look for all rows, which SUMMARY leaves out."""
    for file in (project / "gx" / "uncommitted" / "validations").rglob("*.json"):
        content = json.loads(file.read_text())
        details = [entry["result"] for entry in content["results"]]
        for detail in details:
            if detail.get("partial_unexpected_index_list") and "unexpected_index_list" not in detail:
                detail["unexpected_index_list"] = detail["partial_unexpected_index_list"]
                detail["unexpected_list"] = detail["partial_unexpected_list"]
        file.write_text(json.dumps(content))


def _row_ids(detail: dict[str, Any]) -> tuple[str, ...]:
    """The ids of the sampled rows that violate an expectation."""
    columns = detail.get("unexpected_index_column_names", ())
    rows = detail.get("partial_unexpected_index_list") or ()
    return tuple(str(row[column]) for row in rows for column in columns)


def _forget_old_runs(project: Path) -> None:
    """Keep the latest validations of each suite; the configuration is rebuilt on every run."""
    for suite in (project / "gx" / "uncommitted" / "validations").glob("*/"):
        runs = sorted((path for path in suite.glob("*/*") if path.is_dir()), key=lambda path: path.name)
        for run in runs[: 1 - HISTORY]:
            shutil.rmtree(run)
    for name in ("expectations", "validation_definitions", "checkpoints"):
        shutil.rmtree(project / "gx" / name, ignore_errors=True)
    (project / "gx" / "great_expectations.yml").unlink(missing_ok=True)


def _publish_docs(output: Path) -> None:
    """Copy the Data Docs to `docs/`, whose index.html opens in a browser."""
    built = output / "great_expectations" / "gx" / "uncommitted" / "data_docs" / "local_site"
    shutil.rmtree(output / "docs", ignore_errors=True)
    shutil.copytree(built, output / "docs")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library's progress bars, analytics, log lines and deprecation warnings."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    for name in ("great_expectations", "posthog"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
