"""How is what only this installation knows saved in a file, and brought back?"""
