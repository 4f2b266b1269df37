"""What is connected to what?"""

if not __name__.startswith("farandole."):
    raise ImportError("router is a part of farandole: import farandole.router")
