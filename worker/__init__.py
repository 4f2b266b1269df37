"""How are stages hosted?"""
