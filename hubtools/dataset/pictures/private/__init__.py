"""What the metadata of a picture tells about people: one reader, for the D rules and the P rules.

To read is to clean and to look what would go (`scrub.scrub`), so that a check finds neither more
nor less than `fix` removes.
"""
