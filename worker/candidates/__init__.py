"""How is a candidate for a stage's function called, so that nothing that it does can harm the
stage?"""
