"""How are processes hosted: started, watched, restarted, stopped?"""

if not __name__.startswith("farandole."):
    raise ImportError("services is a part of farandole: import farandole.services")
