"""`fix`: plan what can be repaired, show it as a diff, apply it with a journal that undoes it.

    planner.plan_fix(folder)   looks only; gives a FixPlan
    journal.apply(root, plan)  acts, and keeps every original below .hubtools/fixes
    journal.undo(root)         puts them back, byte for byte
    run.fix(folder)            the two together

The planner works on a `Draft`, the dataset as it would be, so that the rules of `validate` judge
the plan before anything is written.
"""
