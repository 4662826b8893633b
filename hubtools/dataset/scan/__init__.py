"""One pass over the pictures: here, in workers, or on daft and Ray."""
