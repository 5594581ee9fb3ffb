"""The checks: one file and one function each, of the same name.

A check takes the exchange, and passes silently or raises `Refusal`. What it finds out (the client, the code, ...) it
sets on the exchange for the checks after it. Which endpoint runs which, in which order, stands in `table.py`.
To add one: write the file, add it to the table's rows, write a test that accepts and one that refuses.
"""
