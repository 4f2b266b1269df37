"""What can be asked of an installation, or done to it?"""

if not __name__.startswith("farandole."):
    raise ImportError("operations is a part of farandole: import farandole.operations")
