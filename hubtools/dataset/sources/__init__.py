"""Where pictures may lie: a folder, a repository on the Hub, an address, an archive, shards.

All of them answer the same few questions (`model.Source`): what is there, and the bytes of these
pictures, please. The scan, the search for copies and the rules know no source by name.
"""
