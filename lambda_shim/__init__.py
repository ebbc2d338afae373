"""The Lambda between a campaign system and the service: event in, signed POST out, the service's answer back.

handler.py   what Lambda calls: Mangum with one adapter per event shape
adapters.py  event → HTTP request; HTTP answer → what that caller expects, or an exception that says what to do
forward.py   the signed POST to the service; where none answers, a 503 or 504 that says why
"""
