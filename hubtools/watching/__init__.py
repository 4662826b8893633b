"""The page of `hubtools watch`: a training as it goes on, in a browser."""
