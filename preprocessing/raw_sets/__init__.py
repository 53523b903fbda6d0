"""Step 0: a reader for each raw data set, and what they have in common.

All raise `UserError` where a file is missing or damaged, or contradicts another one.
"""
