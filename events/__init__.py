"""What crosses a topic?"""

if not __name__.startswith("farandole."):
    raise ImportError("events is a part of farandole: import farandole.events")
