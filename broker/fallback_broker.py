"""Which broker runs instead of Apache Kafka if its jars cannot be downloaded?"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

FALLBACK_NAME = "noida-db"
FALLBACK_WARNING = (
    "this is NOT Apache Kafka but noida-db: it keeps everything in memory and saves it when it is"
    " stopped in good order; killed, it loses what it had acknowledged"
)
FALLBACK_CLUSTER_ID = "MkU3OEVBNTctOEUyRi00"
"""Every noida-db says that it is this cluster."""


def listening_text(port: int) -> str:
    """Return what it prints as soon as it has its port."""
    return f" 127.0.0.1:{port}\n"


def fallback_command(place: Path, port: int) -> list[str]:
    """Return the command that starts it in the foreground; it ends at SIGTERM."""
    # The Python command would start it as a child, which would outlive a kill.
    binary = Path(str(files("noida_db"))) / "noida-db"
    if binary.exists():
        binary.chmod(0o755)
    return [
        str(binary), "start", "--only", "kafka", "--kafka-port", str(port),
        "--host", "127.0.0.1", "--data-dir", str(place / "noida-db"),
    ]  # fmt: skip
