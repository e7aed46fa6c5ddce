"""The faults of /how-it-works/symptoms/ that need nginx or a bucket."""

import os
from pathlib import Path

import pytest

from ..symptoms.recorded import list_names, read_record, see
from .buckets import S3
from .front import NGINX
from .test_container import IMAGE


@pytest.mark.skipif(not NGINX, reason="Install nginx.")
@pytest.mark.parametrize("name", list_names("nginx"))
def test_what_nginx_says_is_what_was_recorded(name: str, example: Path, tmp_path: Path) -> None:
    assert see(name, example, tmp_path) == read_record(name)


@pytest.mark.skipif(not NGINX or os.geteuid() != 0, reason="Install nginx, and be root.")
@pytest.mark.parametrize("name", list_names("root"))
def test_what_nginx_may_not_read_was_recorded(name: str, example: Path, tmp_path: Path) -> None:
    assert see(name, example, tmp_path) == read_record(name)


@pytest.mark.skipif(
    not S3.hostname,
    reason="Start an S3 server and name it: LIKENESS_S3=http://key:secret@host:port.",
)
@pytest.mark.parametrize("name", list_names("bucket"))
def test_what_a_bucket_says_is_what_was_recorded(name: str, example: Path, tmp_path: Path) -> None:
    assert see(name, example, tmp_path) == read_record(name)


@pytest.mark.skipif(not IMAGE, reason="Build the image and name it: LIKENESS_IMAGE=likeness.")
@pytest.mark.parametrize("name", list_names("docker"))
def test_what_a_container_does_is_what_was_recorded(
    name: str, example: Path, tmp_path: Path
) -> None:
    assert see(name, example, tmp_path) == read_record(name)
