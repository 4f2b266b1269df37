"""Do the data of an event type keep the rules that its checks set?"""
