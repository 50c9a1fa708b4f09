"""What can be wrong with a log, a proof or a note: each says what does not fit, in one sentence."""


class LogError(Exception):
    """Root of them all; ``reason`` is safe to show."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProofInvalid(LogError):
    """A proof does not lead to the root that it was given for."""


class KeyInvalid(LogError):
    """A signer's or verifier's key is not written as the specification says."""


class NoteInvalid(LogError):
    """A note is malformed, carries no known signature, or a known key's signature is wrong."""


class CheckpointInvalid(LogError):
    """A signed text is not a checkpoint of this log's form."""


class LeafInvalid(LogError):
    """Bytes are not a leaf as docs/log.md, section 3, has it."""


class LogInvalid(LogError):
    """The published files do not fit each other, the checkpoint or an older one."""


class LogUnreachable(LogError):
    """A file could not be read, which says nothing about whether the log is sound."""


class ReceiptInvalid(LogError):
    """A receipt is malformed, does not fit itself, or is not what the log has in its place."""
