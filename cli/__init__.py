"""How are operations used from a terminal?"""

if not __name__.startswith("farandole."):
    raise ImportError("cli is a part of farandole: import farandole.cli")
