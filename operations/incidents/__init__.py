"""Which failures are there, and who takes care of them?"""
