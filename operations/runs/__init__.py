"""How do people read the books?"""
