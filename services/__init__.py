"""How are the processes of a pipeline started, watched, restarted and stopped?"""

if not __name__.startswith("farandole."):
    raise ImportError("services is a part of farandole: import farandole.services")
