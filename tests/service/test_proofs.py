"""GET /v1/transfers/{id}/proof: to its holder and to auditors."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import uuid4

import pytest
from flask import Flask

from ledgers.log.leaves import erase_secret
from ledgers.log.receipts import Receipt, check_receipt
from service.settings import Settings
from tests.service.answers import refused
from tests.service.published import a_spender, an_app, seal_all


@pytest.fixture(scope="module")
def app(
    settings: Settings,
    copied_database: Callable[[], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flask]:
    with copied_database() as url:
        made = an_app(settings, url, tmp_path_factory.mktemp("own"))
        yield made
        made.extensions["tanhui"].database.dispose()


@pytest.fixture
def resident(services):
    """One whose two transfers are published."""
    made = a_spender(services.database)
    seal_all(services)
    return made


def url(transfer_id: object) -> str:
    return f"/v1/transfers/{transfer_id}/proof"


def test_a_holder_gets_a_receipt_that_holds(client, bearer, resident, services):
    for transfer_id in resident.transfers:
        answer = client.get(url(transfer_id), headers=bearer("resident", resident.holder_id))

        assert answer.status_code == 200
        found = Receipt.parse(answer.text)  # The answer, kept as a file, is the receipt.
        _, checkpoint = check_receipt(found, services.log.verifier())
        assert (found.transfer_id, found.holder_id) == (transfer_id, resident.holder_id)
        assert checkpoint.size > found.index
        assert Receipt.parse(answer.json["qr_text"]).proved(found.proof) == found


def test_an_auditor_gets_the_same(client, bearer, resident):
    (transfer_id, _) = resident.transfers
    theirs = client.get(url(transfer_id), headers=bearer("resident", resident.holder_id))

    assert client.get(url(transfer_id), headers=bearer("auditor")).json == theirs.json


def test_another_resident_learns_nothing(client, bearer, resident):
    answers = [
        client.get(url(transfer_id), headers=bearer("resident", uuid4()))
        for transfer_id in (resident.transfers[0], uuid4())
    ]

    for answer in answers:
        refused(answer, 404, "unknown-transfer")


def test_what_is_not_published_yet_says_when_to_ask_again(client, bearer, services):
    waiting = a_spender(services.database)
    headers = bearer("resident", waiting.holder_id)

    answer = client.get(url(waiting.transfers[0]), headers=headers)

    refused(answer, 409, "not-sealed-yet")
    assert answer.headers["Retry-After"] == "5"
    seal_all(services)
    assert client.get(url(waiting.transfers[0]), headers=headers).status_code == 200


def test_who_was_erased_has_no_receipt(client, bearer, resident, services):
    services.database.transact(lambda s: erase_secret(s, resident.holder_id))

    for headers in (bearer("resident", resident.holder_id), bearer("auditor")):
        refused(client.get(url(resident.transfers[0]), headers=headers), 410, "holder-erased")
