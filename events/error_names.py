"""Under which name is an error written to dead letters, fingerprints and logs?"""

from __future__ import annotations


def published_error_name(error: type[BaseException]) -> str:
    """Return the name that records and `topology.yaml` (`retry: {only: [...]}`, `errors:` of a
    route) know an error class by.

    It is the class's own name, except for a class of Farandole's that says `published_name`: what
    old records say of an error must not change when its class is renamed.
    """
    ours = error.__module__.startswith("farandole.")
    published = vars(error).get("published_name") if ours else None
    return published if isinstance(published, str) else error.__name__
