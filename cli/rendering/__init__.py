"""How do results and errors look in a terminal?"""
