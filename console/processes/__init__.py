"""How do commands keep processes running?"""
