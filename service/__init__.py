"""event → message → outbox → dispatcher → WhatsApp → status notification → report.

The path of a message, file by file:

    1  intake/     an event becomes one Message or Rejection per recipient (pure)
    2  outbox/     both are kept in one transaction; from here on nothing is lost
    3  dispatch/   claims what can be sent now, paces it, sends it, settles it
    4  whatsapp/   the body, the one HTTP call, what an answer means, what a notification says
    5  web/        takes events, direct messages and notifications in, and reports what became of each recipient;
                   console/ shows it to people

`message` and `people` are the vocabulary they share; `config`, `secrets` and `metrics` are what they are given; `wiring`
gives it; `cli` is the command `whatsapp-channel`; `doctor` finds what is missing or wrong. `web` and `dispatch` never import
each other: they meet in the outbox.
"""
