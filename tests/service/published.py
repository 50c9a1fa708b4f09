"""A service with a published log: some residents, some transfers, all of it sealed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.log.issuing import receipt
from ledgers.log.receipts import Receipt
from ledgers.log.sealing import publish, seal, sequence
from ledgers.models import Transfer
from ledgers.posting import post
from service.app import create_app
from service.db import Database
from service.services import Services
from service.settings import Settings
from tests.makers import NOW, a_resident, earning, spending


def an_app(settings: Settings, database_url: str, folder: Path, **changes: object) -> Flask:
    """The application on a database and a log of the test's own."""
    own = replace(settings, database_url=database_url, log_dir=folder / "log")
    return create_app(replace(own, **changes))


def seal_all(services: Services, *, leaves_max: int = 50_000) -> None:
    """As the job does it, until nothing waits."""
    transact, log = services.database.transact, services.log
    origin = transact(log.origin)
    while transact(lambda s: sequence(s, origin)):
        pass
    while transact(lambda s: seal(s, log.folder, log.key, origin, now=NOW, leaves_max=leaves_max)):
        transact(lambda s: publish(s, log.folder, origin))


class Resident(NamedTuple):
    holder_id: UUID
    transfers: list[UUID]  # The earliest first.


def a_spender(database: Database, *, points: int = 300, spent: int = 120) -> Resident:
    """Somebody who earned and spent."""

    def make(session: Session) -> Resident:
        holder_id = a_resident(session, points=points)
        if spent:
            post(session, spending(session, holder_id, spent), now=NOW + timedelta(seconds=1))
        session.flush()
        query = select(Transfer.id).where(Transfer.holder_id == holder_id).order_by(Transfer.id)
        return Resident(holder_id, list(session.scalars(query)))

    return database.transact(make)


def receipt_of(services: Services, resident: Resident, which: int = 0) -> Receipt:
    return services.database.transact(
        lambda session: receipt(
            session,
            services.log.folder,
            resident.transfers[which],
            holder_id=resident.holder_id,
        )
    )


def many_earnings(database: Database, count: int) -> None:
    """Postings that fill the log."""

    def make(session: Session) -> None:
        holder_id = a_resident(session)
        for points in range(1, count + 1):
            post(session, earning(session, holder_id, points), now=NOW)

    database.transact(make)
