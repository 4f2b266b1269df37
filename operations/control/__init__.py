"""How is a running pipeline paused, resumed or cancelled?"""
