"""Which folder does the URL of a dependency name, and which files in it?

A URL is written as fsspec reads it: `s3://bucket/in/*.csv`, `sftp://host/in/*.csv`, or a path
without a protocol for a local file. Only its last part may have `*`, which stands for any letters;
as in a shell it does not stand for a dot at the beginning.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

LOCAL_PROTOCOLS = frozenset({"file", "local"})
WHOLE_OBJECT_PROTOCOLS = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az", "oss", "oci", "obs", "r2", "tos"}
)
"""Protocols of object stores: an object is there once it is whole."""
_SECRETS = re.compile(
    r"(?<=//)[^/@\s]*@|(?<=[?&])[^=&\s]*(?:sig|token|key|secret|password)[^&\s]*", re.IGNORECASE
)


class FileLocation(NamedTuple):
    """A folder, and the files in it that count."""

    protocol: str
    folder: str
    """Its URL or local path, without a slash at the end (`/` alone has one)."""
    name: str
    """The last part of the URL; may have `*`."""

    @property
    def is_pattern(self) -> bool:
        return "*" in self.name

    @property
    def is_local(self) -> bool:
        return self.protocol in LOCAL_PROTOCOLS

    @property
    def store(self) -> str:
        """What one slow answer says something about: a bucket or a host, or a local folder."""
        if self.is_local:
            return self.folder
        return f"{self.protocol}://{urlsplit(self.folder).netloc}"

    def url_of(self, name: str) -> str:
        """Return the URL of a file of this name in the folder."""
        return self.folder + ("" if self.folder.endswith("/") else "/") + name

    def has(self, name: str) -> bool:
        """Return True if a file of this name counts."""
        if not self.is_pattern:
            return name == self.name
        if name.startswith(".") and not self.name.startswith("."):
            return False
        parts = map(re.escape, self.name.split("*"))
        return re.fullmatch(".*".join(parts), name, re.DOTALL) is not None


def parse_location(url: str) -> FileLocation:
    """Return what the URL names. It must have no `location_problem`."""
    protocol, separator, path = url.partition("://")
    if not separator:
        protocol, path = "file", url
    folder, slash, name = path.rpartition("/")
    if not slash:
        return FileLocation(protocol, ".", name)
    at_root = "/" if not folder and protocol in LOCAL_PROTOCOLS else folder
    return FileLocation(protocol, f"{protocol}{separator}{at_root}" if separator else at_root, name)


def missing_folder(url: str, base: Path) -> str | None:
    """Return the local folder of a URL without `location_problem` if this machine does not have
    it; None if it does, or if the folder is no local one. Local paths are relative to `base`."""
    location = parse_location(url)
    folder = location.folder.partition("://")[2] or location.folder
    return folder if location.is_local and not (base / folder).is_dir() else None


class LocationProblem(NamedTuple):
    """What is wrong with a URL."""

    message: str
    remedy: str
    column: int = 0
    """Where, counted from 1; 0 for the whole URL."""


def location_problem(url: str) -> LocationProblem | None:
    """Return what is wrong with a URL; None if nothing is. Whether fsspec knows its protocol is not
    looked at."""
    protocol, separator, path = url.partition("://")
    if not separator:
        protocol, path = "file", url
    folder, _, name = path.rpartition("/")
    host = path.partition("/")[0]
    if "::" in url:
        message = f"{url!r}: protocols cannot be chained by ::"
        return LocationProblem(message, "write the URL of the store alone", url.index("::") + 1)
    if separator and protocol not in LOCAL_PROTOCOLS and "@" in host:
        return LocationProblem(
            "a user in a URL would be published",
            f"give the scheduler the credentials as the package for {protocol}:// reads them: in"
            " its environment or ~/.config/fsspec",
        )
    if not name:
        remedy = "write for example in/*.csv or s3://bucket/in/*.csv"
        return LocationProblem(f"{url!r} names no file", remedy)
    if "*" in folder:
        message = f"{url!r}: only the last part may have a *"
        return LocationProblem(message, "name the folder", url.index("*") + 1)
    if "**" in name:
        message = f"{url!r}: there is no **, because folders in the folder are not looked at"
        return LocationProblem(message, "write *", url.index("**") + 1)
    return None


def shown_url(text: str) -> str:
    """Return a text with URLs, without what may be a secret in them."""
    return _SECRETS.sub("…", text)
