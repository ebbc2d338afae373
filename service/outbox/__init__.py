"""The durable middle: what was accepted, what became of it, who serves which number. The only place that writes.

tables.py     the tables (tables_sending, tables_people, tables_counted, of columns)
database.py   an engine for SQLite or PostgreSQL; "the store is down" as one error
outbox.py     every write, one transaction each
  accept.py     an event with its messages and rejections, once (G1, G3)
  claims.py     what goes out now (G6, G8)
  queue.py      settle, expire
  doubt.py      what was sent and not answered: rescued, and sent again on evidence only (G4)
  decisions.py  what an operator decides of one message: sent, failed, again
  replay.py     what an operator sends again
  cancel.py     what an operator calls off
  statuses.py   what notifications tell (G5)
  unmatched.py  what they tell of attempts that are not known yet
  looking.py    which of a dispatcher's numbers have something to be done
  leases.py     one dispatcher at a time serves a number, and who could (G6)
  blocking.py   what a suppression keeps from its person (G8)
  outcomes.py   what is still to be published
  pauses.py     what waits until something is mended (G7)
  daily.py      how many different people may be written to in 24 hours (G6)
  doors.py      which call Meta wants for a template
  numbers.py    Meta's word on each phone number
retention.py  what is erased, and when
report.py     every read for people
  overview.py   each number just now, campaigns, calls, what was refused
  tally.py      how many messages stand where, kept by triggers and added up
search.py     messages found by what they have in common, and what came of a campaign
consent.py    who wants no messages, and who said so (G8)
inbound.py    what people wrote, and what that asks for
catalogue.py  the templates of each account as Meta lists them
sessions.py   who is signed in to the console, and who could not
audit.py      who did what
clock.py      the database's own time
announce.py   tells waiting dispatchers that there is work
migrations/   Alembic
"""
