"""The bundle in service: loads and tests one (`loading`), swaps it (`deployed`), goes back (`rollback`).

Others use `deployed`, `loading` and `rollback`.
"""
