"""Which topology is published, and how is another one put in force?"""
