"""Which metrics of a run are unlike those of the runs before it?"""
