"""What is in a file that is about to be sent: read whole, whatever its name is."""

from hubtools.publish.contents.leak import Kind, Leak
from hubtools.publish.contents.scan import scan, scan_file

__all__ = ["Kind", "Leak", "scan", "scan_file"]
