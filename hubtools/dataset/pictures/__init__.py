"""The facts of one picture, from its bytes; a table and a cache of them."""
