"""Which rows wait for a person, and what becomes of them?"""
