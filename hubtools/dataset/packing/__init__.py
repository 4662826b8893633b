"""`shard` and `unshard`: a folder of pictures as a few large files, and back.

    rows.read_samples(folder)  rows with the pictures they name, one after the other
    plan.plan_shards(folder)   a first pass: which rows go into which shard, and of what types
    write.shard(folder, to)    a second pass: writes each shard, reads it back, compares hashes
    unshard.unshard(at, to)    the folder again, byte for byte

Nothing holds more than a row group of pictures, so memory does not grow with the dataset. A shard
describes itself (see `description`), so that it can be taken apart without its neighbours.
"""
