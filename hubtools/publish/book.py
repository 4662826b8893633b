"""The rules of publishing: what must be right before a single byte is sent."""

from hubtools.findings import RuleBook
from hubtools.publish.release import Release

PUBLISH_RULES: RuleBook[Release] = RuleBook()
