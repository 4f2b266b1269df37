"""What does a person use?"""
