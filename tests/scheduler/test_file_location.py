"""Does the URL of a dependency name the files that it seems to name?"""

from __future__ import annotations

import pytest

from farandole.scheduler.file_location import location_problem, parse_location, shown_url


@pytest.mark.parametrize(
    ("url", "protocol", "folder", "name"),
    [
        ("s3://bucket/in/*.csv", "s3", "s3://bucket/in", "*.csv"),
        ("in/day.csv", "file", "in", "day.csv"),
        ("day.csv", "file", ".", "day.csv"),
        ("/day.csv", "file", "/", "day.csv"),
        ("/data/in/*.csv", "file", "/data/in", "*.csv"),
        ("file:///data/*.csv", "file", "file:///data", "*.csv"),
        ("sftp://host/in/a*b.csv", "sftp", "sftp://host/in", "a*b.csv"),
    ],
)
def test_a_url_has_a_folder_and_a_name(url: str, protocol: str, folder: str, name: str) -> None:
    location = parse_location(url)
    assert (location.protocol, location.folder, location.name) == (protocol, folder, name)
    assert location.url_of("x").startswith(folder)


@pytest.mark.parametrize(
    ("pattern", "name", "has"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "a.csv.tmp", False),
        ("*.csv", ".a.csv", False),
        (".*.csv", ".a.csv", True),
        ("a*b*.csv", "a-b-c.csv", True),
        ("a[1].csv", "a1.csv", False),
        ("a[1].csv", "a[1].csv", True),
        ("day?.csv", "day1.csv", False),
    ],
)
def test_a_star_stands_for_any_letters_but_a_dot_at_the_beginning(
    pattern: str, name: str, has: bool
) -> None:
    assert parse_location(f"in/{pattern}").has(name) is has


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("in/", "names no file"),
        ("in/*/day.csv", "only the last part"),
        ("in/**", "there is no **"),
        ("zip://day.csv::s3://bucket/a.zip", "cannot be chained"),
        ("sftp://me:secret@host/in/*.csv", "a user in a URL"),
    ],
)
def test_a_url_that_names_no_files_is_refused(url: str, message: str) -> None:
    problem = location_problem(url)
    assert problem is not None
    assert message in problem.message


@pytest.mark.parametrize("url", ["in/*.csv", "s3://bucket/me@home/*.csv", "/a@b/c.csv"])
def test_other_urls_are_not(url: str) -> None:
    assert location_problem(url) is None


def test_two_buckets_are_two_stores() -> None:
    stores = {parse_location(f"s3://{bucket}/in/*.csv").store for bucket in "ab"}
    assert len(stores) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sftp://me:secret@host/in", "sftp://…host/in"),
        ("https://host/a.csv?X-Amz-Signature=abc&b=1", "https://host/a.csv?…&b=1"),
        ("https://host/a.csv?token=abc", "https://host/a.csv?…"),
    ],
)
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    assert shown_url(text) == shown
