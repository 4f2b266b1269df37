"""When is nothing of a pipeline in flight, and how does one get there?"""
