"""What the page /verify shows. The check itself is static/verify.js, in the reader's browser.

Nothing here asks the database, so a receipt can be checked while that is away.
"""

from typing import Any

from service.services import Services


def verify_values(services: Services) -> dict[str, Any]:
    """Template values: the key with which the log says that it signs."""
    return {"verifier": str(services.log.verifier())}
