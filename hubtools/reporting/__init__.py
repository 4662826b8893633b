"""A report in the forms that machines and browsers read, and what a project says of findings."""
