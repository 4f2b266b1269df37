"""Which events are in the topics, and how is one published?"""
