"""Training elsewhere: as a job of the Hub, whose run is fetched from there, or on a cluster."""
