"""Which flags does a file of another system describe?"""
