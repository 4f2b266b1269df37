"""Which stages has the example pipeline, which loads order lines of a grocer?"""

if __name__.startswith("farandole."):
    raise ImportError("stages.order_lines is a pipeline of its own: import stages.order_lines")
