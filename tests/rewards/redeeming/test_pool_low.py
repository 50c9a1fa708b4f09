"""What a merchant is told when the codes of a pool run out."""

import io
import json
from uuid import uuid4

from sqlalchemy import select

from rewards.models import WebhookMessage
from rewards.offers import pools
from rewards.redeeming.redemption import redeem
from tests import shopping
from tests.makers import CODES, NOW, a_buyer, a_resident, programme_holder
from tests.rewards.webhooks.telling import a_seller, an_endpoint


def test_the_merchant_is_told_once_a_file_that_few_codes_are_left(session):
    merchant_id = a_seller(session)
    offer_id = shopping.an_offer(session, programme_holder(session), merchant_id, kind="pool_code")
    an_endpoint(session, merchant_id, kinds=("pool.low",))
    holder_id = a_resident(session, points=10_000)

    def told_after(count):
        for _ in range(count):
            redeem(
                session, uuid4(), buyer=a_buyer(session, holder_id), offer_id=offer_id,
                codes=CODES, now=NOW,
            )  # fmt: skip
        bodies = session.scalars(
            select(WebhookMessage.body).where(WebhookMessage.merchant_id == merchant_id)
        )
        found = [json.loads(body)["data"] for body in bodies]
        return sorted(found, key=lambda one: one["put_units"])

    shopping.a_pool(session, offer_id, [f"A-{n}" for n in range(21)], CODES)
    assert told_after(18) == []
    low = {"offer_id": str(offer_id), "stock_units": 2, "put_units": 21}
    assert told_after(1) == [low]
    assert told_after(2) == [low]
    again = [f"B-{n}" for n in range(9)]
    pools.load(
        session, offer_id, uuid4(), io.BytesIO("\n".join(again).encode()), codes=CODES,
        loaded_by="mei", now=NOW,
    )  # fmt: skip
    assert told_after(5) == [low]
    assert told_after(4) == [low, {**low, "stock_units": 3, "put_units": 30}]
