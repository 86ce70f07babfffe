"""The notification document's JSON Schema, as it is published in docs/notification.schema.json.

Made of the models, so that it cannot say otherwise, and then told what their validators let pass and pydantic
cannot see: null for blank, times without a zone, days without hyphens. It says nothing that only code can
check (order numbers unique in a pack, keys that stand twice). Source: JSON Schema 2020-12; ours.
"""

import json
from typing import Any

from relay.notification import Notification

MOMENT = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?$"
DAY = r"^\d{4}-?\d{2}-?\d{2}$"


def notification_schema() -> dict[str, Any]:
    """The schema of a notification document, version 1."""
    schema: dict[str, Any] = _told(Notification.model_json_schema())
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Denrei notification document, version 1",
    }
    return head | schema


def schema_text() -> str:
    """The schema as the published file has it."""
    return json.dumps(notification_schema(), ensure_ascii=False, indent=2) + "\n"


def _told(node: Any) -> Any:
    if isinstance(node, list):
        return [_told(child) for child in node]
    if not isinstance(node, dict):
        return node
    # A key named "title" that holds text is pydantic's copy of the name: noise in an editor.
    told = {key: _told(child) for key, child in node.items() if key != "title" or not isinstance(child, str)}
    match told:
        case {"format": "date-time"}:
            told = {"type": "string", "pattern": MOMENT, "examples": ["2026-11-21 10:15:00"]}
        case {"format": "date"}:
            told = {"type": "string", "pattern": DAY, "examples": ["2026-11-25"]}
        case {"type": "string", "maxLength": _} if "minLength" not in told:
            told["type"] = ["string", "null"]
        case {"type": "array", "default": []}:
            told["type"] = ["array", "null"]
    return told
