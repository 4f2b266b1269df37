"""How are the gates of a pipeline seen and opened?"""
