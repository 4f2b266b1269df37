"""How is the choreography seen and steered in a browser?"""

if not __name__.startswith("farandole."):
    raise ImportError("web is a part of farandole: import farandole.web")
