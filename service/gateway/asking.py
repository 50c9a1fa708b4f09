"""The gateway over HTTP, by the protocol of docs/gateway.md.

Each question is signed (Standard Webhooks), names its order in what is signed, and may be sent
again. What is not an answer by the protocol, whatever its status, is no answer.
"""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec

from rewards.redeeming.gateways import Order, Outcome
from service.feeds.signatures import sign
from service.gateway.answers import read_answer
from service.identity.logins.outside import Outside, OutsideAway
from service.keys import gateway_secret

TIMEOUT_S = 3.0


class HttpGateway:
    """Any thread may ask. ``secret`` is shared with the gateway: it calls back by it, too."""

    def __init__(self, url: str, secret: bytes, outside: Outside) -> None:
        self._url, self.secret, self._outside = url, secret, outside

    def order(self, order: Order) -> Outcome:
        body = {
            "order_id": order.id,
            "card_number": order.card_number,
            "amount_fen": order.amount_fen,
        }
        return self._ask("PUT", order.id, "", msgspec.json.encode(body))

    def look(self, order_id: UUID) -> Outcome:
        return self._ask("GET", order_id, "", b"")

    def cancel(self, order_id: UUID) -> Outcome:
        body = {"order_id": order_id, "cancel": True}
        return self._ask("PUT", order_id, "/cancellation", msgspec.json.encode(body))

    def _ask(self, method: str, order_id: UUID, path: str, body: bytes) -> Outcome:
        now, id_ = datetime.now(UTC), f"{order_id}_{secrets.token_hex(8)}"
        headers = {
            "content-type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": sign(self.secret, id_, now, body),
        }
        url = f"{self._url}/orders/{order_id}{path}"
        try:
            answer = self._outside.ask(method, url, content=body, headers=headers)
        except OutsideAway as error:
            return Outcome("unknown", str(error))
        if not answer.good and answer.status != 404:
            return Outcome("unknown", f"status {answer.status}")
        said = read_answer(answer.content, order_id)
        if (answer.status == 404) != (said.state == "absent"):
            return Outcome("unknown", f"status {answer.status} without its answer")
        return said


def gateway_at(url: str | None, key_file: Path | None) -> HttpGateway | None:
    """The gateway of the settings; None where there is none. Raises KeyFileError."""
    if url is None or key_file is None:
        return None
    return HttpGateway(url.rstrip("/"), gateway_secret(key_file), Outside(timeout_s=TIMEOUT_S))
