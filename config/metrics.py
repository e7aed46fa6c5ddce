"""/metrics: the facts of wellbeing.py, as Prometheus reads them."""

import threading
from collections.abc import Iterator, Mapping

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from .health import find_faults
from .version import find_version
from .wellbeing import Facts, find_facts

# The name of each, what its values differ by, and what it says.
GAUGES = {
    "info": ("version", "Which version runs."),
    "people": ("state", "How many accounts there are."),
    "pictures": ("place", "How many pictures are stored."),
    "media_writable": ("", "Whether pictures can be stored."),
    "journal_entries": ("", "How many avatars wait to be stored or deleted."),
    "journal_oldest_timestamp_seconds": ("", "Since when the first of them waits."),
    "audit_timestamp_seconds": ("", "When the last audit ended; 0: never."),
    "audit_found": ("fault", "How many files or pictures the last audit found so."),
    "backup_timestamp_seconds": ("", "When the last backup ended; 0: never."),
    "attempts_locked": ("", "How many visitors and accounts have to wait just now."),
    "disk_free_bytes": ("disk", "How much room a disk has left."),
    "disk_size_bytes": ("disk", "How large a disk is."),
}
# A network disk that does not answer must not take one thread after the other.
_asking = threading.Lock()


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer whoever has the token."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not constant_time_compare(token, settings.METRICS_TOKEN):
        headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return HttpResponse("Send METRICS_TOKEN.", "text/plain", 401, headers=headers)
    if not _asking.acquire(timeout=1):
        return HttpResponse("A disk does not answer.", "text/plain", 503, headers=headers)
    try:
        if faults := find_faults(with_media=False):
            return HttpResponse("\n".join(faults), "text/plain", 503, headers=headers)
        # Not the library's own registry, whose numbers are those of one worker.
        registry = CollectorRegistry()
        registry.register(FactsCollector(find_facts()))
    except DatabaseError as error:
        return HttpResponse(f"The database has failed: {error}", "text/plain", 503, headers=headers)
    finally:
        _asking.release()
    return HttpResponse(generate_latest(registry), CONTENT_TYPE_LATEST, headers=headers)


class FactsCollector(Collector):
    def __init__(self, facts: Facts) -> None:
        self.values = list_values(facts)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, (label, text) in GAUGES.items():
            gauge = GaugeMetricFamily(f"likeness_{name}", text, labels=[label] if label else [])
            for key, value in self.values[name].items():
                gauge.add_metric([key] if label else [], value)
            yield gauge


def list_values(facts: Facts) -> dict[str, Mapping[str, float]]:
    """Return the values of each gauge, by what they differ by."""
    audit, backup, oldest = facts.audit, facts.backup, facts.oldest
    disks = {disk.name.removeprefix("the "): disk for disk in facts.disks}
    return {
        "info": {find_version(): 1},
        "people": {"active": facts.active, "inactive": facts.inactive},
        "pictures": {"public": facts.public, "protected": facts.protected},
        "media_writable": {"": facts.can_write_media},
        "journal_entries": {"": facts.waiting},
        "journal_oldest_timestamp_seconds": {"": oldest.timestamp()} if oldest else {},
        "audit_timestamp_seconds": {"": audit.finished.timestamp()},
        "audit_found": {kind: getattr(audit, kind) for kind in ("missing", "damaged", "misplaced")},
        "backup_timestamp_seconds": {"": backup.finished.timestamp()},
        "attempts_locked": {"": facts.locked},
        "disk_free_bytes": {name: disk.free for name, disk in disks.items()},
        "disk_size_bytes": {name: disk.total for name, disk in disks.items()},
    }
