"""`hubtools review`: a page on this machine to look at a dataset and change it. What is changed
there is kept as pending, and becomes a plan of `fix` when it is applied: same journal, same undo.
"""
