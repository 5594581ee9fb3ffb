"""What acts, once every check of the endpoint's row in `table.py` has passed.

Each function takes the exchange with what the checks found out, and returns the response.
"""
