"""How fast may the lanes of a stage take events, all of them together?"""
