"""Names of the columns of a snapshot's tables, as `database.export` writes them and others read them."""

ITEM_ID = "item_id"
USER_ID = "user_id"

# Items.
TITLE = "title"
DESCRIPTION = "description"
CATEGORY = "category"
SUB_CATEGORY = "sub_category"
TAGS = "tags"
PRICE = "price"
TEXT_HASH = "text_hash"
"""Of the text that is embedded; vectors have it too, of the text that they were made of."""

# Interactions.
INTERACTION_ID = "interaction_id"
EVENT_TYPE = "event_type"
VALUE = "value"
"""Stars of a rating, sign of feedback, seconds of a view."""
WEIGHT = "weight"
"""What an event weighs in place of its type's weight; null for most."""
SESSION_ID = "session_id"
OCCURRED_AT = "occurred_at"

# Vectors.
MODEL = "model"
VECTOR = "vector"
"""float32, little-endian."""
