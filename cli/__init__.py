"""How does a person see and steer it from a terminal?"""

if not __name__.startswith("farandole."):
    raise ImportError("cli is a part of farandole: import farandole.cli")
