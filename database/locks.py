"""Every advisory lock of the platform's database, and the waits for locks.

The numbers differ, so that two jobs wait for each other only where they must. Beside them the key of an
interaction that may be sent twice is locked by its 64-bit hash.
"""

MIGRATIONS = 7_302_601_001
PARTITIONS = 7_302_601_002
TRENDING = 7_302_601_003
PROMOTION = 7_302_601_004
INGESTION = 7_302_601_006
DATABASES = 7_302_601_007
VECTORS = 7_302_601_008

DDL_TIMEOUT = "2s"
"""How long a change of the schema waits for a lock: whoever comes after it waits in the same queue."""
