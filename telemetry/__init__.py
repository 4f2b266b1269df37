"""What is measured of a process, and in which form does it leave it?"""

if not __name__.startswith("farandole."):
    raise ImportError("telemetry is a part of farandole: import farandole.telemetry")
