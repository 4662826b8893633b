"""`inspect`: figures of a dataset, and its pictures as the trainer will cut them.

    look.py      what is known of each picture, and of all together
    draw.py      pictures with the cut marked; the contact sheet
    terminal.py  pictures in a terminal: kitty, iTerm2, sixel, or half blocks in colour

Where a picture is cut is the trainer's to say: `hubtools.training.preview` brings the two together.
"""
