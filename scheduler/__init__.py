"""When do runs begin?"""

if not __name__.startswith("farandole."):
    raise ImportError("scheduler is a part of farandole: import farandole.scheduler")
