"""Who must know when something failed?"""

if not __name__.startswith("farandole."):
    raise ImportError("notifier is a part of farandole: import farandole.notifier")
