"""How is it going: rates, ages, handling times and dead shares of every stage."""

if not __name__.startswith("farandole."):
    raise ImportError("monitor is a part of farandole: import farandole.monitor")
