"""What does exactly once cost beside the same work done by hand?"""
