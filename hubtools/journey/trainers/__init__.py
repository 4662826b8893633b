"""Settings files of other trainers, and the pictures that they name."""
