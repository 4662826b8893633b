"""Figures and previews for the HTML page of a report."""
