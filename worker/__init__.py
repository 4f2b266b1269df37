"""How are stages hosted?"""

if not __name__.startswith("farandole."):
    raise ImportError("worker is a part of farandole: import farandole.worker")
