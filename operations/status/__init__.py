"""How is a pipeline now?"""
