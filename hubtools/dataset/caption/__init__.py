"""`caption`: captions by template, by a model, from other trainers' files; edited all at once.

planner.plan_captions(folder, ...)  looks only; every caption before and after
run.caption(folder, ...)            the same, applied with the journal of `fix`
exchange.export_captions(...)       pictures with captions as other trainers want them
"""
