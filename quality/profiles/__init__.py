"""Which statistics of an edge's rows are the same in whatever order they are gathered?"""
