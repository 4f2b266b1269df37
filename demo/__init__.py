"""Does the shipped pipeline load order lines correctly, from a trigger to a table, to the cent?"""

if not __name__.startswith("farandole."):
    raise ImportError("demo is a part of farandole: import farandole.demo")
