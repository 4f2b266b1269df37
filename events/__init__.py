"""Which records are written to Kafka topics, and what is in them?"""

if not __name__.startswith("farandole."):
    raise ImportError("events is a part of farandole: import farandole.events")
