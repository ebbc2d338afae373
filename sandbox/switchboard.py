"""The faults that are switched on, under the ids by which they are switched off again."""

from collections.abc import Callable

from sandbox.faults import UNDISTURBED, Course, Effect, Fault, Selection, WebhookDown, select


class Switchboard:
    """Faults in the order in which they were added. `clock` gives seconds, as the event loop's does."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._faults: tuple[Fault, ...] = ()
        self._held_until: dict[str, float] = {}
        self._added = 0

    def add(self, effect: Effect, selection: Selection) -> Fault:
        """Switch a fault on; a WebhookDown counts from now."""
        self._added += 1
        fault = Fault(f"fault-{self._added}", effect, selection)
        self._faults += (fault,)
        if isinstance(effect, WebhookDown):
            self._held_until[fault.fault_id] = self._clock() + effect.seconds
        return fault

    def all(self) -> tuple[Fault, ...]:
        """Every fault, spent ones too, with what it has seen and met."""
        return self._faults

    def remove(self, fault_id: str) -> bool:
        """Switch one off. False: there is none of this id."""
        left = tuple(fault for fault in self._faults if fault.fault_id != fault_id)
        is_known = len(left) < len(self._faults)
        self._faults = left
        self._held_until.pop(fault_id, None)
        return is_known

    def clear(self) -> None:
        """Switch all off."""
        self._faults = ()
        self._held_until.clear()

    def course_for(self, phone_number_id: str, to: str | None) -> Course:
        """What the faults make of one request; it counts as seen by those that it matches."""
        if not self._faults:
            return UNDISTURBED
        self._faults, course = select(self._faults, phone_number_id, to)
        return course

    def webhook_held_until(self) -> float:
        """The moment of the clock until which notifications are held back; 0 when they are not."""
        return max(self._held_until.values(), default=0.0)
