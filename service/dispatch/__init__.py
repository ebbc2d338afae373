"""Claims what can be sent now, paces it, sends it, settles it. One asyncio process; any number of them share the work.

dispatcher.py   the process: a lane per phone number, one settler, the loop and `run_once`
sharing.py      which numbers it takes and gives (pure)
lane.py         one phone number: claim → send → hand to the settler
  number.py       the number, and what it is served by
  tenure.py       its lease, and until when we may rely on it
  gate.py         how many of its requests are under way at once
  throttle.py     when its next messages may go (pure)
  ahead.py        how far ahead of their slots they are claimed (pure)
  line.py         which of those that are claimed goes next (pure)
  spacing.py      when the next one to a recipient may go (pure)
  retry.py        what an attempt's end makes of its message (pure)
  telling.py      what is said and counted of an attempt
  brakes.py       what an answer means beyond its message: slower, paused, another token
  doors.py        which of its two calls a template goes through
  upkeep.py       what is done for it beside sending
eraser.py       erases what is old enough, beside the lanes
wakeup.py       how a dispatcher learns of new work
health.py       its own small /healthz and /metrics
"""
