"""What deletes records whose time is over: ``service.identity.retention`` says of which kind, and
after how long.
"""

from dataclasses import dataclass
from typing import LiteralString


@dataclass(frozen=True, slots=True)
class Walk:
    """Through a large table, person by person: ``deletes`` gets bounds of persons, an instant and
    the lowest id of that instant.
    """

    table: LiteralString
    person: LiteralString
    deletes: tuple[LiteralString, ...]


SESSIONS = Walk(
    "login_session",
    "person_id",
    (
        """
        DELETE FROM refresh_token WHERE person_id > %(after)s AND person_id <= %(upto)s
            AND EXISTS (SELECT FROM login_session AS l
                        WHERE l.person_id = refresh_token.person_id
                          AND l.id = refresh_token.session_id
                          AND coalesce(l.ended_at, l.ends_at) < %(before)s)
        """,
        """
        DELETE FROM login_session WHERE person_id > %(after)s AND person_id <= %(upto)s
            AND coalesce(ended_at, ends_at) < %(before)s
        """,
    ),
)
TOKENS = Walk(
    "refresh_token",
    "person_id",
    (
        """
        DELETE FROM refresh_token WHERE person_id > %(after)s AND person_id <= %(upto)s
            AND used_at < %(before)s
        """,
    ),
)
EVENTS = Walk(
    "security_event",
    "person_id",
    (
        """
        DELETE FROM security_event WHERE person_id > %(after)s AND person_id <= %(upto)s
            AND id < %(lowest)s
        """,
    ),
)
READS = Walk(
    "personal_read",
    "holder_id",
    (
        """
        DELETE FROM personal_read WHERE holder_id > %(after)s AND holder_id <= %(upto)s
            AND id < %(lowest)s
        """,
    ),
)
DELEGATIONS = Walk(
    "delegation",
    "holder_id",
    (
        """
        DELETE FROM delegation WHERE holder_id > %(after)s AND holder_id <= %(upto)s
            AND ended_at < %(before)s
        """,
    ),
)
# By their own ids, as they are not kept by person.
SCANS = Walk(
    "scan",
    "id",
    (
        """
        DELETE FROM scan WHERE id > %(after)s AND id <= %(upto)s AND ends_at < %(before)s
        """,
    ),
)
MESSAGES = Walk(
    "webhook_message",
    "id",
    (
        """
        DELETE FROM webhook_message WHERE id > %(after)s AND id <= %(upto)s
            AND ended_at < %(before)s
        """,
    ),
)
INVITATIONS: LiteralString = """
    UPDATE staff SET invitation_sha256 = NULL, invitation_ends_at = NULL
    WHERE invitation_ends_at < %(before)s
"""
RECOVERY_CODES: LiteralString = "DELETE FROM staff_recovery_code WHERE used_at < %(before)s"
