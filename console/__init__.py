"""What does a person use?"""

if not __name__.startswith("farandole."):
    raise ImportError("console is a part of farandole: import farandole.console")
