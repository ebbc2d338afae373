"""Timing, outside the tests: `python -m bench` prints each row with its goal, and writes build/bench.json.

dispatch.py   claim to settle of one dispatcher, and what a message costs
web.py        what is accepted: events, single messages, notifications
latency.py    from the 202 to the POST at the Cloud API, while nothing else is going on
urgent.py     the same of what is urgent, while a campaign waits
start.py      until the web service is ready
shim.py       what the shim adds to a call when everything is warm
peers.py      sending, beside what people would use instead (ways.py)
console.py    the console's pages over ten million messages

stage.py      processes, what they cost, messages to send
meta.py       a Cloud API that costs as little as it can
bare.py       Flask that does nothing
databases.py  an empty database of each kind
rows.py       the table
"""
