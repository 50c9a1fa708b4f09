"""What phones poll comes with a tag, and is not sent twice: ``ETag``, ``If-None-Match``, 304.

A tag is a hash of the body, so it is strong. It differs by caller and language, and caches are told
so; they keep nothing without asking again.
"""

import hashlib

from flask import Response, g, request


def conditional(answer: Response) -> Response:
    """After a request of a blueprint: tag what was read, or say that the caller has it already."""
    if request.method not in ("GET", "HEAD") or answer.status_code != 200 or answer.is_streamed:
        return answer
    body = answer.get_data()
    tag = hashlib.blake2b(body, digest_size=16).hexdigest()
    answer.headers["ETag"] = f'"{tag}"'
    known = "caller" in g
    answer.headers["Cache-Control"] = "private, no-cache" if known else "no-cache"
    answer.vary.update(("Authorization", "Accept-Language") if known else ("Accept-Language",))
    sent = request.headers.get("If-None-Match")
    if sent is not None and (sent.strip() == "*" or tag in _tags(sent)):
        answer.status_code = 304
        answer.set_data(b"")
        for header in ("Content-Type", "Content-Length", "Content-Language"):
            answer.headers.pop(header, None)
    return answer


def _tags(sent: str) -> set[str]:
    """Compared weakly, as RFC 9110 (13.1.2) says: a proxy that packs makes our tags weak."""
    return {tag.strip().removeprefix("W/").strip('"') for tag in sent.split(",")}
