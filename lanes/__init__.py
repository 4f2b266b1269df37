"""How is a partition worked exactly once?"""
