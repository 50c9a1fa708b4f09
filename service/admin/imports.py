"""Imports of files: who imported what, in the admin log.

An import is many transactions. Its first row is in the one that records the first event, so that no
event of a file is without; its second row, at the end, has the figures. Killed in between, the
first stands alone, and the next run of the same file has its own. A file that brings nothing new
leaves none.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy.orm import Session

from activities.catalogue.models import Scene
from service.admin.log import Act, Actor, State, record
from service.feeds.importing import Summary, import_file
from service.feeds.mapping import Read
from service.services import Services

_NAME_MAX = 200


def import_logged(
    services: Services,
    who: Actor,
    path: Path,
    scene_code: str,
    *,
    mapping: Read | None,
    dry_run: bool,
    progress: Callable[[int], None],
) -> Summary:
    """``service.feeds.importing.import_file`` in somebody's name."""
    import_id = str(uuid4())
    file = {"file": path.name[:_NAME_MAX], "scene": scene_code}

    def note(session: Session, what: str, facts: State) -> None:
        programme = session.get_one(Scene, scene_code).programme_code
        about = Act(what, "import", import_id, programme=programme)
        record(session, who, about, before=None, after=facts, now=datetime.now(UTC))

    summary = import_file(
        services.database,
        services.keyring,
        path,
        scene_code,
        mapping=mapping,
        dry_run=dry_run,
        begun=lambda session: note(session, "import.begin", file),
        progress=progress,
    )
    if summary.recorded and not dry_run:
        figures = file | {
            "rows": summary.rows,
            "recorded": summary.recorded,
            "already_known": summary.already_known,
            "unreadable": summary.unreadable,
            "by_decision": dict(summary.by_decision),
            "saved_mg_co2e": summary.saved_mg_co2e,
            "points": summary.points,
        }
        services.database.transact(lambda session: note(session, "import.end", figures))
    return summary
