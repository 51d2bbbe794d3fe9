"""How a list is made: recipes as data, and the one executor that runs them.

Others use `answers`, `executor`, `list_requests`, `shared_answers` and `shop_lists`.
"""
