"""What Meta tells when the status of a template changes. Pure.

Source: Meta's webhook reference (`message_template_status_update`), read in November 2026. In its examples the id is a number
and the language has a hyphen, where the list of templates has a string and an underscore.
"""

from dataclasses import dataclass
from typing import Any

from sandbox.templates import Template

FIRST_PAUSE = {
    "title": "FIRST_PAUSE",
    "description": "Your WhatsApp message template has been paused for 3 hours because it had issues.",
}


@dataclass(frozen=True, slots=True)
class TemplateNews:
    """The status that a template of the account `waba_id` has now, and had not before."""

    template: Template
    waba_id: str

    def change(self) -> dict[str, Any]:
        """The item of `changes`."""
        template = self.template
        value = {
            "event": template.status,
            "message_template_id": int(template.listing["id"]),
            "message_template_name": template.name,
            "message_template_language": template.language.replace("_", "-"),
            "message_template_category": template.category,
            "reason": template.listing.get("rejected_reason") or "NONE",
        }
        if template.status == "PAUSED":
            value["other_info"] = FIRST_PAUSE
        return {"field": "message_template_status_update", "value": value}
