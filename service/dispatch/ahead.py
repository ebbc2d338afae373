"""How far ahead of its slots a number claims: for 50 ms, and so much earlier as a claim takes. Pure; times are seconds."""

HORIZON_SECONDS = 0.05
LEAD_SECONDS = 0.01
LONGEST_LEAD_SECONDS = 0.25


class Ahead:
    """Slots are planned so long before the first of them as a claim takes just now, within bounds."""

    def __init__(self) -> None:
        self.lead = LEAD_SECONDS

    @property
    def horizon(self) -> float:
        """What may be claimed goes within so long; more would be in doubt at a crash (G4)."""
        return HORIZON_SECONDS + self.lead - LEAD_SECONDS

    def learn(self, took: float) -> None:
        """A claim took so long; a moving average of the last ten or so counts."""
        lead = self.lead + 0.1 * (took - self.lead)
        self.lead = min(LONGEST_LEAD_SECONDS, max(LEAD_SECONDS, lead))
