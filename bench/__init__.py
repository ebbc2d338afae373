"""Timing, outside the tests: `python -m bench` prints each row with its goal and writes nothing.

latency.py    from the 202 to the POST at the Cloud API, while nothing else is going on
shim.py       what the shim adds to a call when everything is warm
databases.py  an empty database of each kind
"""
