"""What is shipped for Prometheus: its rules, and what Vector reads from the log."""

import json
import logging
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest

from config.health import MIN_FREE_BYTES, MIN_FREE_PART, SMALL_BYTES, Disk
from config.logs import Formatter
from config.metrics import FactsCollector
from config.wellbeing import (
    MAX_AUDIT_AGE,
    MAX_BACKUP_AGE,
    MAX_LOCKED,
    MAX_WAIT,
    NEVER,
    Facts,
    describe,
)
from profiles.models import User
from profiles.pictures.cell import make_avatar
from profiles.pictures.models import LastRun

from .helpers.pictures import draw_jpeg
from .helpers.servers import ROOT, find

PROMTOOL = shutil.which("promtool") or ""
pytestmark = pytest.mark.skipif(not PROMTOOL, reason="Install prometheus.")
RULES = ROOT / "deploy" / "alerts.yml"
MINUTE = timedelta(minutes=1)
LARGE = 100 * SMALL_BYTES
AT, LATER = 30, 60  # Minutes after 1970, where promtool's clock begins.


def list_states(now: datetime) -> Iterator[tuple[str, Facts]]:
    """Yield what is just within each limit, for no alert, and what is just beyond, for which."""

    def run(age: timedelta, **found: int) -> LastRun:
        return LastRun(finished=now - age, **found)

    well = Facts(
        active=3,
        inactive=1,
        public=1,
        protected=1,
        can_write_media=True,
        waiting=1,
        oldest=now - MAX_WAIT + MINUTE,
        audit=run(MAX_AUDIT_AGE - MINUTE),
        backup=run(MAX_BACKUP_AGE - MINUTE),
        locked=MAX_LOCKED,
        disks=[
            Disk("the media", LARGE, int(LARGE * MIN_FREE_PART)),
            Disk("the database", SMALL_BYTES + 1, MIN_FREE_BYTES),
            Disk("temporary files", SMALL_BYTES, int(SMALL_BYTES * MIN_FREE_PART)),
        ],
    )
    yield "", well
    yield "", well._replace(oldest=None)
    yield "LikenessDoesNotServe", well._replace(can_write_media=False)
    yield "LikenessPicturesWait", well._replace(oldest=now - MAX_WAIT - MINUTE)
    for kind in ("missing", "damaged", "misplaced"):
        yield "LikenessPicturesMissing", well._replace(audit=run(MINUTE, **{kind: 1}))
    yield "LikenessPicturesMissing", well._replace(audit=run(MAX_AUDIT_AGE + MINUTE))
    yield "LikenessPicturesMissing", well._replace(audit=LastRun(finished=NEVER))
    yield "LikenessBackupOverdue", well._replace(backup=run(MAX_BACKUP_AGE + MINUTE))
    yield "LikenessBackupOverdue", well._replace(backup=LastRun(finished=NEVER))
    yield "LikenessManyLockedOut", well._replace(locked=MAX_LOCKED + 1)
    for disk in well.disks:
        full = disk._replace(free=disk.free - 1)
        yield "LikenessDiskNearlyFull", well._replace(disks=[full])


def make_test(alert: str, facts: Facts | None, now: datetime) -> dict[str, Any]:
    """Return what promtool tests: that this alert begins and no other, and wakes somebody later."""
    where = 'job="likeness", instance="a"'
    series = [{"series": f"up{{{where}}}", "values": f"{int(facts is not None)}+0x{LATER}"}]
    for metric in FactsCollector(facts).collect() if facts else []:
        for sample in metric.samples:
            labels = "".join(f', {name}="{value}"' for name, value in sample.labels.items())
            is_time = sample.name.endswith("_timestamp_seconds")
            value = sample.value - is_time * (now.timestamp() - AT * 60)
            name = f"{sample.name}{{{where}{labels}}}"
            series.append({"series": name, "values": f"{value:f}+0x{LATER}"})
    begins = "count by (alertname) (ALERTS)"
    wakes = f'count by (alertname) (ALERTS{{alertname="{alert}", alertstate="firing"}})'
    found = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if alert else []
    tests = [
        {"expr": expression, "eval_time": f"{minute}m", "exp_samples": found}
        for expression, minute in ((begins, AT), (wakes, LATER))
    ]
    return {"interval": "1m", "input_series": series, "promql_expr_test": tests}


def run_promtool(*arguments: str, text: str = "") -> None:
    done = subprocess.run([PROMTOOL, *arguments], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_fires_where_the_command_says_that_something_is_wrong(tmp_path: Path) -> None:
    now = timezone.now()
    states = list(list_states(now))
    for alert, facts in states:
        unwell = [sentence.text for sentence in describe(facts) if not sentence.is_well]
        assert len(unwell) == bool(alert), (alert, unwell)
    tests = [make_test(alert, facts, now) for alert, facts in states]
    tests.append(make_test("LikenessDoesNotServe", None, now))
    file = tmp_path / "tests.json"
    content = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(json.dumps(content))
    run_promtool("test", "rules", str(file))
    names = RULES.read_text("utf-8").count("- alert: ")
    assert len({alert for alert, _ in states if alert}) == names == 6


def test_prometheus_understands_the_manuals_configuration(tmp_path: Path) -> None:
    manual = (ROOT / "docs" / "deploying.md").read_text("utf-8")
    text = find(r"(?<=```yaml\n)rule_files:[^`]+", manual)
    for name, content in (("alerts.yml", RULES.read_text("utf-8")), ("token", "x" * 20)):
        (tmp_path / name).write_text(content)
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace("/etc/prometheus/likeness", str(tmp_path)))
    run_promtool("check", "config", str(config))


def test_the_log_has_what_vector_reads(
    client: Client, ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client.get("/profiles/ada/")
    make_avatar(BytesIO(draw_jpeg()))
    lines = [json.loads(Formatter().format(record)) for record in caplog.records]
    config = tomllib.loads((ROOT / "deploy" / "vector.toml").read_text("utf-8"))
    known = {"signal"}  # Only a cell that was ended has one: tests/test_cell.py.
    for transform in config["transforms"].values():
        if transform["type"] == "filter" and (
            logger := re.search('"(.+?)"', transform["condition"])
        ):
            [line, *_] = [line for line in lines if line["logger"] == logger[1]]
            known |= set(line)
    metrics = [
        metric
        for transform in config["transforms"].values()
        for metric in transform.get("metrics", [])
    ]
    assert len(metrics) == 4
    for metric in metrics:
        assert {metric["field"], *metric.get("tags", {})} <= known


def test_what_the_site_says_has_the_form_and_the_names_of_prometheus() -> None:
    registry = CollectorRegistry()
    registry.register(FactsCollector(next(list_states(timezone.now()))[1]))
    run_promtool("check", "metrics", text=generate_latest(registry).decode())
