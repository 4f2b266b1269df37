"""What do the data look like?"""

if not __name__.startswith("farandole."):
    raise ImportError("quality is a part of farandole: import farandole.quality")
