"""Which versions are published, who owns a record, and by which version?"""

if not __name__.startswith("farandole."):
    raise ImportError("catalog is a part of farandole: import farandole.catalog")
