"""The kinds of fraud and of operators' faults that a simulated event can be."""

REPLAY = "replay"
TELEPORT = "teleport"
STEP_SHAKER = "step_shaker"
SHARED_DEVICE = "shared_device"
SPLIT_TRIP = "split_trip"
DOUBLE_CLAIM = "double_claim"
OVERWEIGHT = "overweight"
FRAUD = (REPLAY, TELEPORT, STEP_SHAKER, SHARED_DEVICE, SPLIT_TRIP, DOUBLE_CLAIM, OVERWEIGHT)

LATE_FILE = "late_file"
DUPLICATE = "duplicate"
UNIT_MISTAKE = "unit_mistake"
FAULTS = (LATE_FILE, DUPLICATE, UNIT_MISTAKE)
