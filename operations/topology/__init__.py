"""Which topology is in force, and how is another one published?"""
