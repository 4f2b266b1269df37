"""Is a file recognised by what each file system tells of it?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from farandole.scheduler.facts import SeenFile
from farandole.scheduler.file_listing import file_name, says_nothing, seen_file, with_settled

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("info", "identity"),
    [
        pytest.param({"ETag": '"abc"', "LastModified": NOON, "size": 3}, "abc", id="S3"),
        pytest.param({"etag": "abc", "updated": "2026-11-30T12:00:00Z"}, "abc", id="Google"),
        pytest.param(
            {"mtime": NOON.timestamp(), "size": 3, "ino": 7}, f"{NOON.isoformat()}/3", id="local"
        ),
        pytest.param(
            {"mtime": NOON.replace(tzinfo=None), "size": 3}, f"{NOON.isoformat()}/3", id="SFTP"
        ),
        pytest.param({"modify": "20261130120000", "size": 3}, f"{NOON.isoformat()}/3", id="FTP"),
        pytest.param(
            {"Last-Modified": "Mon, 30 Nov 2026 12:00:00 GMT", "size": 3},
            f"{NOON.isoformat()}/3",
            id="HTTP",
        ),
        pytest.param({"mtime": "yesterday", "size": 3}, "yesterday/3", id="unknown"),
        pytest.param({"mtime": 1e300, "size": None}, "1e+300/", id="no time"),
    ],
)
def test_a_file_is_identified_by_its_etag_or_by_time_and_size(
    info: dict[str, Any], identity: str
) -> None:
    assert seen_file("a", info).identity == identity


def test_the_time_is_in_utc_where_the_file_system_says_it() -> None:
    assert seen_file("a", {"LastModified": NOON, "ETag": "abc"}).modified == NOON


def test_a_listing_without_any_of_them_says_nothing() -> None:
    assert says_nothing(seen_file("a", {"name": "a", "size": None}))


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"name": "bucket/in/a.csv", "type": "file"}, "a.csv"),
        ({"name": "https://host/in/a.csv"}, "a.csv"),
        ({"name": "bucket/in/old", "type": "directory"}, ""),
        ({"name": "bucket/in/", "type": "file", "size": 0}, ""),
    ],
)
def test_folders_have_no_file_name(info: dict[str, Any], name: str) -> None:
    assert file_name(info) == name


def test_a_file_has_settled_if_it_is_the_same_at_two_looks() -> None:
    files = [SeenFile("a", "1"), SeenFile("b", "2"), SeenFile("c", "3")]
    found = with_settled(files, {"a": "1", "b": "1"}, are_whole=False)
    assert [each.url for each in found if each.is_settled] == ["a"]


def test_an_object_of_a_store_is_whole_at_once() -> None:
    files = [SeenFile("a", "1", etag="1"), SeenFile("b", "2")]
    found = with_settled(files, {}, are_whole=True)
    assert [each.is_settled for each in found] == [True, False]
