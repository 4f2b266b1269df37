"""How fast are the peers at the same exactly-once hop?"""
