"""Meta's side: the body of a message, the one HTTP call, what an answer means, what a notification says.

payload.py      Message → JSON (pure)
client.py       the one HTTP call
answer.py       its answer → Accepted or a SendError (pure)
send_error.py   the kinds of SendError (pure)
errors.py       Meta's codes as data (pure)
pausing.py      what a refusal means for others: a pause (pure)
limits.py       what Meta says of a number, and its limits in that (pure)
asking.py       why Meta does not tell what it is asked (pure)
webhook.py      is a notification genuine, and what does it tell (pure)
"""
