"""Do the books agree with the topics?"""
