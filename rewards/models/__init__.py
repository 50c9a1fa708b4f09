"""Tables of rewards. Offers are read by everybody; stock, budgets and vouchers, which change, have
tables of their own.
"""

from rewards.models.merchants import Agreement, Merchant, Scanner, Shop
from rewards.models.offers import (
    Budget,
    DonationProject,
    Offer,
    OfferStock,
    OfferVersion,
    Picture,
    PoolCode,
    PoolFile,
    StockChange,
)
from rewards.models.redemptions import (
    CodeDevice,
    Consumption,
    DoubleUse,
    Redemption,
    Scan,
    TopUp,
    Voucher,
)
from rewards.models.settlements import Settlement, SettlementLine
from rewards.models.webhooks import WebhookEndpoint, WebhookMessage

__all__ = [
    "Agreement",
    "Budget",
    "CodeDevice",
    "Consumption",
    "DonationProject",
    "DoubleUse",
    "Merchant",
    "Offer",
    "OfferStock",
    "OfferVersion",
    "Picture",
    "PoolCode",
    "PoolFile",
    "Redemption",
    "Scan",
    "Scanner",
    "Settlement",
    "SettlementLine",
    "Shop",
    "StockChange",
    "TopUp",
    "Voucher",
    "WebhookEndpoint",
    "WebhookMessage",
]
