"""Refusals around audits that somebody asks for."""

from uuid import UUID

from ledgers.errors import DomainError


class UnknownAudit(DomainError):
    """There is no audit of this id."""

    def __init__(self, audit_id: UUID) -> None:
        super().__init__(f"no audit {audit_id}")
        self.audit_id = audit_id


class AuditIdReused(DomainError):
    """Somebody else asked for an audit under this id."""

    def __init__(self, audit_id: UUID) -> None:
        super().__init__(f"audit {audit_id} was asked for by somebody else")
        self.audit_id = audit_id


class AuditWaiting(DomainError):
    """One is asked for already and has not begun, so it will see all that another would see."""

    def __init__(self, audit_id: UUID) -> None:
        super().__init__(f"audit {audit_id} waits to begin")
        self.audit_id = audit_id
