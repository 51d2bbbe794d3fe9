"""The dashboard and the alert rules in monitoring/ use metrics that the service has."""

import json
import re

import yaml

from database.settings import REPOSITORY
from training.params import load_params


def _expressions() -> list[str]:
    rules = yaml.safe_load((REPOSITORY / "monitoring" / "alerts.yml").read_text())
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    board = json.loads((REPOSITORY / "monitoring" / "grafana" / "dashboards" / "shortlist.json").read_text())
    return found + [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_dashboard_and_alerts_use_metrics_and_labels_that_the_service_has() -> None:
    from prometheus_client import REGISTRY

    from serving.observe.http_metrics import Metrics
    from serving.observe.list_metrics import list_metrics
    from serving.observe.watch_metrics import MonitoringCollector

    list_metrics()
    made = Metrics()
    labels: dict[str, set[str]] = {"up": {"job", "instance"}}
    labels |= {
        metric.name: set(getattr(metric, "_labelnames", ()))
        for metric in MonitoringCollector(None, None).collect()
    }
    for registry in (REGISTRY, made._registry):
        for collector, names in registry._collector_to_names.items():
            own = set(getattr(collector, "_labelnames", ()))
            labels |= {name: own | {"le"} if name.endswith("_bucket") else own for name in names}
    expressions = _expressions()
    assert len(expressions) > 15
    for expression in expressions:
        used = set(re.findall(r"\b(?:shortlist_\w+|up)\b", re.sub(r'"[^"]*"', "", expression)))
        assert used and used <= labels.keys(), expression
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", expression))))
        chosen = set(re.findall(r"(\w+)=\"", expression))
        assert grouped | chosen <= set().union(*(labels[name] for name in used)), expression


def test_every_alert_says_what_is_wrong() -> None:
    rules = yaml.safe_load((REPOSITORY / "monitoring" / "alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"].endswith((".", "?")) and rule["labels"]["severity"] in (
                "page",
                "ticket",
            )


def test_alerts_wait_as_long_as_the_params_say() -> None:
    limits = load_params(REPOSITORY / "params.yaml").monitoring
    rules = yaml.safe_load((REPOSITORY / "monitoring" / "alerts.yml").read_text())
    (trending,) = [
        rule for group in rules["groups"] for rule in group["rules"] if rule["alert"] == "TrendingOld"
    ]
    assert trending["expr"].endswith(f"> {limits.max_trending_age_hours:g} * 3600")
