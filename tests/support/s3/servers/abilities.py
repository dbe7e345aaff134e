"""What a test may need from a server: nearly all of it is what AWS's S3 does.

What a server can't do is in its module's `LACKS`, and `tests/integration/test_servers.py` measures each.
"""

from __future__ import annotations

ABILITIES = {
    "back_door": "tests write and read objects behind the server's back",
    "any_key": "every access key is accepted, so that a test may invent one",
    "accounts": "the ARNs of both roles contain their accounts",
    "signatures": "a request that is signed with a wrong secret is refused",
    "denial": "what is not granted is refused",
    "caller_identity": "STS names the signer",
    "expected_owner": "a bucket of another account than expected is refused",
    "foreign_parts": "UploadPartCopy reads a bucket of another account by its policy, as CopyObject does",
    "parts_by_role": "UploadPartCopy is allowed to an assumed role as CopyObject is",
    "copy_if_match": "CopyObject refuses a source with another ETag",
    "part_if_match": "UploadPartCopy refuses a source with another ETag",
    "copy_if_none_match": "CopyObject refuses to overwrite",
    "complete_if_none_match": "CompleteMultipartUpload refuses to overwrite",
    "versioning": "a delete in a versioned bucket leaves a marker, and returns its version",
    "conditional_deletes": "DeleteObject takes If-Match",
    "delete_if_match": "DeleteObject refuses an object with another ETag",
    "delete_objects_if_match": "DeleteObjects refuses an object with another ETag",
    "confirmed_completion": "CompleteMultipartUpload answers with the ETag",
    "copied_tags": "CopyObject carries tags to another account",
    "tagged_uploads": "an object in parts has the tags that its upload was created with",
    "dropped_tags": "CopyObject leaves tags behind when asked to",
    "tag_counts": "HEAD has the number of tags",
    "checksums": "an object has the CRC32 that it was written with",
    "full_object_checksums": "a copy in parts has the CRC64NVME of the whole object",
    "storage_classes": "an object keeps its class",
    "archive": "an archived object can't be copied before it is restored",
    "encryption": "an object may be encrypted with a key of KMS",
    "queues": "it has queues, of SQS",
    "refused_receives": "a receive of no message is refused",
    "line_breaks": "a key may hold a line break",
}
