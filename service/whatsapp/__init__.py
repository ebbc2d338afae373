"""Meta's side: the body of a message, the one HTTP call, what an answer means, what a notification says.

payload.py   Message → JSON (pure)
client.py    the one HTTP call
answer.py    its answer → Accepted or a SendError (pure)
errors.py    the kinds of SendError, and Meta's codes as data (pure)
webhook.py   is a notification genuine, and what does it tell (pure)
"""
