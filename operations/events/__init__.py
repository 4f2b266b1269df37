"""Which events stand in the topics, and how does one get there?"""
