"""How are the events of a partition handled exactly once?"""

if not __name__.startswith("farandole."):
    raise ImportError("lanes is a part of farandole: import farandole.lanes")
