"""What do the data of a pipeline look like, and do they pass its checks?"""
