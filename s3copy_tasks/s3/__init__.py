"""Everything that talks to S3."""
