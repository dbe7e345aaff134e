"""A client of S3 over libcurl."""
