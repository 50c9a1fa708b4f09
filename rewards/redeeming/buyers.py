"""Who redeems, as far as offers ask."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Buyer:
    """A resident, the holder of the programme in which they take part (None: nowhere), its time
    zone, where they live, and to which scenes they consent.
    """

    holder_id: UUID
    programme_holder_id: UUID | None
    zone: str = "Asia/Shanghai"
    division_code: str = ""
    scene_codes: frozenset[str] = frozenset()
