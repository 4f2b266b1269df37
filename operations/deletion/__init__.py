"""How is a pipeline deleted, with everything that belongs to it?"""
