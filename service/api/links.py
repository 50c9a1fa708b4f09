"""Where an answer leads: which ids of it another operation takes (OpenAPI links).

One table. Who reads the document by machine follows it: what a list shows can be opened, what was
made can be looked at and ended.
"""

from typing import Any, NamedTuple

_ID = "$response.body#/id"
_SENT = "$request.path."


class Link(NamedTuple):
    """From the answer ``status`` of an operation to another one, with what it takes from there."""

    start: str
    status: int
    end: str
    parameters: dict[str, str]
    body: dict[str, str] | None = None


def _first(lists: str, field: str = "id") -> str:
    return f"$response.body#/{lists}/0/{field}"


def _each(
    start: str, status: int, ends: tuple[str, ...], parameters: dict[str, str]
) -> tuple[Link, ...]:
    return tuple(Link(start, status, end, parameters) for end in ends)


_OF_ACTIVITY = (
    "activities.getOneActivity",
    "review.getOwnReview",
    "appeals.getOwnAppeal",
    "appeals.putOwnAppeal",
)
_OF_REDEMPTION = (
    "redemptions.getRedemption",
    "redemptions.putCancellation",
    "vouchers.getVoucher",
    "vouchers.getVoucherPicture",
)
_OF_CASE = ("review.getOneReview", "review.putReviewDecision")
_OF_APPEAL = ("appeals.getOneAppeal", "appeals.putAppealVerdict")
_OF_CORRECTION = (
    "corrections.getOneCorrection",
    "corrections.putApproval",
    "corrections.putRejection",
)
_OF_ACTIVITY_CORRECTION = (
    "activity_corrections.getOneActivityCorrection",
    "activity_corrections.putActivityCorrectionApproval",
    "activity_corrections.putActivityCorrectionRejection",
)
_OF_MEMBER = (
    "staff_members.getOneMember",
    "staff_members.putBlock",
    "staff_members.deleteBlock",
    "staff_members.putReset",
    "staff_members.putGrant",
)
_OF_WEBHOOK = (
    "webhooks.getOneWebhook",
    "webhooks.getWebhookMessages",
    "webhooks.postWebhookRedeliveries",
    "webhooks.deleteOneWebhook",
)
_OF_MERCHANT = (
    "merchants.getOneMerchant",
    "shops.getShops",
    "shops.getScanners",
    "agreements.getAgreements",
    "merchant_offers.getMerchantOffers",
    "settlements.getSettlements",
    "webhooks.getWebhooks",
)
_OF_OFFER = (
    "merchant_offers.getMerchantOffer",
    "merchant_offers.getMerchantOfferVersions",
    "merchant_offers.putMerchantOfferState",
    "merchant_offers.putMerchantOfferStock",
)
_OF_CLERK = ("merchant_staff.deleteOneClerk", "merchant_staff.putClerkReset")
_OF_CONSUMPTION = (
    "consumptions.getConsumption",
    "consumptions.putReversal",
    "refunds.putRefund",
)
_OF_SETTLEMENT = (
    "settlements.getOneSettlement",
    "settlements.getSettlementLines",
    "settlements.putConfirmation",
    "settlements.putDispute",
    "settlements.putApproval",
    "settlements.putPayment",
    "settlements.putVoiding",
)
_OF_SCENE = ("scenes.getOneScene", "scenes.getSceneChanges", "scenes.putSceneStatus")


def _of_queue(start: str, lists: str, ends: tuple[str, ...], id_name: str, id_: str) -> Any:
    return _each(
        start, 200, ends, {"holder_id": _first(lists, "holder_id"), id_name: _first(lists, id_)}
    )


def _of_one_merchant(
    start: str, status: int, ends: tuple[str, ...], parameters: dict[str, str]
) -> tuple[Link, ...]:
    """Both are of the merchant in the path."""
    return _each(start, status, ends, {"merchant_id": f"{_SENT}merchant_id"} | parameters)


LINKS: tuple[Link, ...] = (
    Link("offers.getOffers", 200, "offers.getOneOffer", {"offer_id": _first("offers")}),
    Link(
        "redemptions.getRedemption", 200, "offers.getOneOffer",
        {"offer_id": "$response.body#/offer_id"},
    ),
    Link(
        "offers.getOffers",
        200,
        "redemptions.putRedemption",
        {},
        {"offer_id": _first("offers")},
    ),
    *_each("redemptions.putRedemption", 201, _OF_REDEMPTION, {"redemption_id": _ID}),
    *_each(
        "redemptions.getRedemptions", 200, _OF_REDEMPTION, {"redemption_id": _first("redemptions")}
    ),
    *_each(
        "accounts.getAccounts",
        200,
        ("accounts.getStatement", "accounts.getBalance", "accounts.getLots"),
        {"account_id": _first("accounts")},
    ),
    Link(
        "accounts.getStatement",
        200,
        "transfers.getProof",
        {"transfer_id": _first("entries", "transfer_id")},
    ),
    *_each(
        "activities.getActivities", 200, _OF_ACTIVITY, {"activity_id": _first("activities")}
    ),
    *_each("activities.putOneActivity", 201, _OF_ACTIVITY, {"activity_id": _ID}),
    Link(
        "review.getOwnReview",
        200,
        "review.putOwnAnswer",
        {"activity_id": "$response.body#/activity_id"},
    ),
    *_each(
        "scenes.getScenes", 200, _OF_SCENE, {"code": _first("scenes", "code")}
    ),
    Link(
        "scenes.getScenes", 200, "consents.putOneConsent", {"scene": _first("scenes", "code")}
    ),
    Link(
        "sessions.getSessions", 200, "sessions.deleteOneSession", {"session_id": _first("sessions")}
    ),
    Link(
        "family.getActingForList", 200, "family.deleteOneActingFor",
        {"delegation_id": _first("acting_for")},
    ),
    Link(
        "family.getActingForList", 200, "family.postActing", {},
        {"delegation_id": _first("acting_for")},
    ),
    Link("family.putOneChild", 201, "family.postActing", {}, {"delegation_id": _ID}),
    Link(
        "family.getDelegates", 200, "family.deleteOneDelegate",
        {"delegation_id": _first("delegates")},
    ),
    *_of_queue("review.getReviews", "reviews", _OF_CASE, "activity_id", "activity_id"),
    *_of_queue("appeals.getAppeals", "appeals", _OF_APPEAL, "activity_id", "activity_id"),
    *_of_queue(
        "corrections.getCorrections", "corrections", _OF_CORRECTION, "correction_id", "id"
    ),
    *_of_queue(
        "activity_corrections.getActivityCorrections",
        "corrections",
        _OF_ACTIVITY_CORRECTION,
        "correction_id",
        "id",
    ),
    *_each(
        "corrections.putOneCorrection", 201, _OF_CORRECTION,
        {"holder_id": f"{_SENT}holder_id", "correction_id": _ID},
    ),
    *_each(
        "activity_corrections.putOneActivityCorrection", 201, _OF_ACTIVITY_CORRECTION,
        {"holder_id": f"{_SENT}holder_id", "correction_id": _ID},
    ),
    Link(
        "staff.putResident", 201, "cards.putOneMoreCard",
        {"holder_id": "$response.body#/holder_id"},
    ),
    Link(
        "staff.putResident", 201, "closing.putAtTheDesk",
        {"holder_id": "$response.body#/holder_id"},
    ),
    Link(
        "code_devices.getCodeDevices", 200, "code_devices.deleteOneCodeDevice",
        {"device_id": _first("code_devices")},
    ),
    Link(
        "code_devices.putOneCodeDevice", 200, "code_devices.deleteOneCodeDevice",
        {"device_id": _ID},
    ),
    *_each("merchants.getMerchants", 200, _OF_MERCHANT, {"merchant_id": _first("merchants")}),
    *_each("merchants.putOneMerchant", 200, _OF_MERCHANT, {"merchant_id": _ID}),
    *_of_one_merchant("shops.getShops", 200, ("shops.putOneShop",), {"shop_id": _first("shops")}),
    *_of_one_merchant(
        "shops.getScanners", 200, ("shops.deleteOneScanner",), {"scanner_id": _first("scanners")}
    ),
    *_of_one_merchant(
        "shops.putOneScanner", 200, ("shops.deleteOneScanner",), {"scanner_id": _ID}
    ),
    *_of_one_merchant(
        "agreements.getAgreements", 200, ("agreements.putOneAgreement",),
        {"agreement_id": _first("agreements")},
    ),
    *_of_one_merchant(
        "merchant_staff.getClerks", 200, _OF_CLERK, {"member_id": _first("staff")}
    ),
    *_of_one_merchant("merchant_staff.putOneClerk", 200, _OF_CLERK, {"member_id": _ID}),
    Link("budgets.getBudgets", 200, "budgets.putOneBudget", {"budget_id": _first("budgets")}),
    Link(
        "pictures.putMerchantPictures", 201, "pictures.getOnePicture",
        {"sha256": "$response.body#/sha256"},
    ),
    *_of_one_merchant(
        "merchant_offers.getMerchantOffers", 200, _OF_OFFER, {"offer_id": _first("offers")}
    ),
    *_of_one_merchant(
        "merchant_offers.putMerchantOffer", 201, _OF_OFFER,
        {"offer_id": "$response.body#/offer_id"},
    ),
    Link(
        "merchant_offers.putMerchantOffer", 201, "merchant_offers.putMerchantOfferPublication",
        {"merchant_id": f"{_SENT}merchant_id", "offer_id": "$response.body#/offer_id"},
        {"version": "$response.body#/version"},
    ),
    *_each(
        "consumptions.getConsumptions", 200, _OF_CONSUMPTION,
        {"consumption_id": _first("consumptions")},
    ),
    *_each("consumptions.putConsumption", 201, _OF_CONSUMPTION, {"consumption_id": _ID}),
    Link(
        "scans.putOneScan", 200, "scans.putScanRedemption",
        {"scan_id": _ID}, {"offer_id": _first("offers", "offer_id")},
    ),
    Link(
        "scans.putOneScan", 200, "scans.putScanConsumption",
        {"scan_id": _ID}, {"redemption_id": _first("vouchers", "redemption_id")},
    ),
    *_of_one_merchant(
        "settlements.getSettlements", 200, _OF_SETTLEMENT,
        {"settlement_id": _first("settlements")},
    ),
    *_of_one_merchant(
        "settlements.putOneSettlement", 201, _OF_SETTLEMENT, {"settlement_id": _ID}
    ),
    *_each(
        "top_ups.getTopUps", 200, ("top_ups.getOneTopUp", "top_ups.putCheck"),
        {"top_up_id": _first("top_ups")},
    ),
    *_of_one_merchant(
        "webhooks.getWebhooks", 200, _OF_WEBHOOK, {"endpoint_id": _first("webhooks")}
    ),
    *_of_one_merchant("webhooks.putOneWebhook", 200, _OF_WEBHOOK, {"endpoint_id": _ID}),
    Link(
        "webhooks.getWebhookMessages", 200, "webhooks.putWebhookRedelivery",
        {"merchant_id": f"{_SENT}merchant_id", "endpoint_id": f"{_SENT}endpoint_id",
         "message_id": _first("messages")},
    ),
    Link("drafts.getDrafts", 200, "drafts.putDraftApproval", {"name": _first("drafts", "name")}),
    Link("jobs.getJobs", 200, "jobs.getJobRuns", {"job_name": _first("jobs", "name")}),
    *_each("staff_members.getMembers", 200, _OF_MEMBER, {"member_id": _first("members")}),
    *_each("staff_members.putOneMember", 200, _OF_MEMBER, {"member_id": _ID}),
    Link(
        "staff_members.putGrant", 200, "staff_members.deleteGrant",
        {"member_id": f"{_SENT}member_id", "grant_id": _ID},
    ),
    Link("api_keys.getApiKeys", 200, "api_keys.deleteOneApiKey", {"key_id": _first("keys")}),
    Link("api_keys.putOneApiKey", 200, "api_keys.deleteOneApiKey", {"key_id": _ID}),
    *_each(
        "audit.getPostings", 200, ("audit.getOnePosting", "audit.getTransfersOfPosting"),
        {"posting_id": _first("postings")},
    ),
    Link(
        "audit.getTransfers", 200, "audit.getAccounts",
        {"holder_id": _first("transfers", "holder_id")},
    ),
    Link(
        "audit.getTransfers", 200, "transfers.getProof", {"transfer_id": _first("transfers")}
    ),
)  # fmt: skip


def link(document: dict[str, Any]) -> None:
    """Write the table into the document's answers."""
    answers = {
        operation["operationId"]: operation["responses"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if isinstance(operation, dict) and "operationId" in operation
    }
    for each in LINKS:
        assert each.end in answers, each.end
        written: dict[str, Any] = {"operationId": each.end}
        if each.parameters:
            written["parameters"] = each.parameters
        if each.body is not None:
            written["requestBody"] = each.body
        answer = answers[each.start][str(each.status)]
        answer.setdefault("links", {})[each.end.replace(".", "_")] = written
