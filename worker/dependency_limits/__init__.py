"""How often may functions call what they depend on, all processes together?"""
