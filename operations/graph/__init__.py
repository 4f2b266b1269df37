"""What does the picture of a pipeline show?"""
