"""A bucket of S3, or of what speaks like it."""

from __future__ import annotations

import re

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.object_store import ObjectStore

_BUCKET_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.-]+)*")


class S3Scheme:
    """Opens ``s3://bucket/prefix``; keys, endpoint and region come from the usual AWS_* variables."""

    name = "s3"

    def open(self, url: str) -> ObjectStore:
        """Return the store below a prefix."""
        return ObjectStore(check_bucket_url(url))


STORE = S3Scheme()


def check_bucket_url(url: str) -> str:
    """Return an ``s3://`` URL without a slash at its end.

    Raises
    ------
    LakeError
        If it is anything but a bucket and a plain prefix; a URL never carries keys, those come from the environment.
    """
    url = url.rstrip("/")
    if "@" in url:
        # The text is not repeated: what stands before the sign may be a secret.
        raise LakeError("The s3:// root of a lake holds an '@': keys never stand in it. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    if not _BUCKET_URL.fullmatch(url) or "/." in url:
        raise LakeError(
            f"{url!r} cannot be the root of a lake: write s3://bucket or s3://bucket/prefix, with letters, digits and '_ . -' in the "
            "prefix. The endpoint and the region come from AWS_ENDPOINT_URL and AWS_REGION."
        )
    return url
