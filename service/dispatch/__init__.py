"""Claims what can be sent now, paces it, sends it, settles it. One asyncio process; any number of them share the work.

dispatcher.py   the process: a lane per phone number, one settler, the loop and `run_once`
lane.py         one phone number: claim → send → hand to the settler
tenure.py       the lease of a number, and until when we may rely on it
retry.py        what an attempt's end makes of its message (pure)
throttle.py     when the next messages of a number may go (pure)
wakeup.py       how a dispatcher learns of new work
health.py       its own small /healthz and /metrics
"""
