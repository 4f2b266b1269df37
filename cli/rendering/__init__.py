"""How are results and errors shown in a terminal?"""
