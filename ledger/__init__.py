"""What happened: the fold of entries into run rows, completion, lateness."""

if not __name__.startswith("farandole."):
    raise ImportError("ledger is a part of farandole: import farandole.ledger")
