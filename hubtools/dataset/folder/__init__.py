"""A folder of files: its listing, names, splits and configs."""
