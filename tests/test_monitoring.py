"""Grafana's dashboard and Prometheus's alert rules: they ask for figures that there are, by labels that they have."""

import json
import re
from functools import cache
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from notifications import metrics
from tests.servers.process import ROOT

DOCKER = ROOT / "docker"
DASHBOARD: dict[str, Any] = json.loads((DOCKER / "grafana" / "dashboards" / "notifications.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES = yaml.safe_load((DOCKER / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]] + [rule["expr"] for rule in RULES]
# What Prometheus itself adds to every series.
EVERYWHERE = {"job", "instance", "le"}


@cache
def series() -> dict[str, set[str]]:
    """The labels of every series that a node exposes, by name."""
    own: dict[str, set[str]] = {"up": set()}
    for metric in vars(metrics).values():
        if hasattr(metric, "_labelnames"):
            labels = set(metric._labelnames)
            suffixes = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}[metric._type]
            own |= {metric._name + suffix: labels for suffix in suffixes}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        own |= {sample.name: set(sample.labels) for sample in family.samples if sample.name not in own}
    return own


def asked(query: str) -> dict[str, set[str]]:
    """The series of a query, each with the labels that it picks by or groups by."""
    groups = {name for names in re.findall(r"\bby \(([^)]*)\)", query) for name in re.split(r",\s*", names)}
    found = {}
    for name, _, picked in re.findall(r"\b((?:notifications|process|python)_\w+|up\b)(\{([^}]*)\})?", query):
        found[name] = groups | set(re.findall(r"(\w+)\s*[=!]", picked))
    return found


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_asks_for_what_there_is(query: str) -> None:
    """Each series exists, and has the labels."""
    assert asked(query)
    for name, labels in asked(query).items():
        assert name in series(), name
        assert labels <= series()[name] | EVERYWHERE, name
    assert query.count("(") == query.count(")")


def test_every_figure_of_ours_is_on_the_dashboard() -> None:
    """What is measured can be seen."""
    shown = {name for panel in PANELS for target in panel["targets"] for name in asked(target["expr"])}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in series() if name.startswith("notifications_")}
    families = {name for name in families if not name.endswith("_created")}
    assert families == {re.sub(r"_bucket$", "", name) for name in shown if name.startswith("notifications_")}


def test_every_query_of_a_counter_is_a_rate() -> None:
    """A counter itself says nothing: it begins anew with every process."""
    for query in QUERIES:
        for name in asked(query):
            if name.endswith(("_total", "_bucket")):
                assert re.search(rf"rate\({name}(\{{[^}}]*\}})?\[", query), query


def test_panels_lie_side_by_side() -> None:
    """Each with a title and a unit, none over another."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert all(panel["title"] and panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_what_and_how_to_mend(rule: dict[str, Any]) -> None:
    """It waits before it wakes anybody, and leads to a mend; the pages have it too."""
    assert rule["for"]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["mend"]
    assert f"`{rule['alert']}`" in (ROOT / "docs" / "incidents.md").read_text()


def test_prometheus_finds_the_nodes_and_grafana_finds_prometheus() -> None:
    """By the names that compose.yaml gives."""
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    config = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert found["names"] == services["node1"]["networks"]["default"]["aliases"]
    assert (job["job_name"], found["port"]) == ("notifications", 8000)
    assert all((DOCKER / "prometheus" / name).exists() for name in config["rule_files"])
    sources = yaml.safe_load((DOCKER / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text())
    (source,) = sources["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}
    (provider,) = yaml.safe_load(
        (DOCKER / "grafana" / "provisioning" / "dashboards" / "notifications.yml").read_text()
    )["providers"]
    mounts = dict(mount.split(":")[:2][::-1] for mount in services["grafana"]["volumes"])
    assert mounts[provider["options"]["path"]] == "./grafana/dashboards"
    assert not services["prometheus"].get("ports")
    assert all(port.startswith("127.0.0.1:") for port in services["grafana"]["ports"])


def test_the_registry_is_the_one_that_is_exposed() -> None:
    """So that what is looked up above is what a node answers."""
    assert REGISTRY.get_sample_value("notifications_connections") is not None
