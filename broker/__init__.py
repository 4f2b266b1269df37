"""How is Kafka reached?"""

if not __name__.startswith("farandole."):
    raise ImportError("broker is a part of farandole: import farandole.broker")
