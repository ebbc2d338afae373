"""A stand-in for Meta's WhatsApp Cloud API on localhost: `python -m sandbox`.

It judges what a sender sends as Meta would, keeps a journal of what it accepted, and posts signed status notifications
to the sender's webhook. Faults can be switched on, and numbers given limits, while it runs. It imports nothing of the
service: it has its own reading of Meta's rules, as documented in November 2026.

The path of one POST /v25.0/<phone_number_id>/messages or /marketing_messages, file by file:

    graph_routes.py   the HTTP side: reads the request, asks the rest, answers (or does not)
    faults.py         which of the faults that are switched on meet this request            pure
    cloud_api.py      whether Meta would take it: a Message, or a GraphError                pure
    templates.py      what a template asks of a message                                     pure
    parameters.py     whether the parameters of a message fit its template                  pure
    text_parameters.py, button_parameters.py   the same for its texts and its buttons       pure
    catalogue.py      the templates of the account; templates.json is what it starts with
    numbers.py        what the number refuses; it refuses nothing until somebody sets it
    limits.py         how many messages it may send in a second, and to one recipient       pure
    errors.py         Meta's codes and the shape of its error bodies                        pure
    compact.py        JSON as Meta writes it                                                pure
    journal.py        what was accepted, written before the answer; what people sent back
    notifications.py  the status notifications of an accepted message, and their JSON       pure
    webhook.py        posts them signed, in batches, again until they are taken

A template whose status changes is told of too (template_news.py, pure).

The other way, `phone/` shows the chats of the people written to; what they type or tap there is an inbound message
(inbound.py, pure), which the webhook is told of like everything else.

lambda_host/ is another stand-in, for AWS Lambda: it runs the shim under AWS's own runtime client (`python -m
sandbox.lambda_host`). demo.py sends the sample campaigns through all of it and judges the outcomes. aws_setup.py
makes the secrets and queues in a stand-in for AWS (moto), where the channel runs in containers.

Around it: state.py holds the one object all of this belongs to, switchboard.py the faults that are switched on,
fault_json.py and number_json.py read faults and numbers from JSON, control_routes.py is `/sandbox/…` for tests and
people, account.py and account_routes.py tell of the token and the account, app.py lists the routes and starts and stops
the server.
"""
