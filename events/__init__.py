"""What crosses a topic?"""
