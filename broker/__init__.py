"""How does Farandole connect to Kafka, and run one itself?"""

if not __name__.startswith("farandole."):
    raise ImportError("broker is a part of farandole: import farandole.broker")
