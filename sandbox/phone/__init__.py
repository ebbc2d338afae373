"""The phones of the people written to: `/phone/` lists their chats, `/phone/<number or user id>` is one chat.

A GET draws what the journal holds; nothing is drawn or kept for a page nobody looks at. A POST is what the person does:
they type, or tap a button, and the webhook is told.

    routes.py      the HTTP side: which page, which answer, and who may post
    people.py      a number or user id, as it stands in an address and as people read it      pure
    replying.py    what was posted: a Draft to be sent, or why not                             pure
    chats.py       the journal as chats; how far a message is at a moment                      pure
    render.py      a template and the parameters of a message: the bubble                      pure
    marks.py       WhatsApp's own marks in a text: bold, italic, struck, monospaced            pure
    pages/         what they look like; static/ is their style sheet and their script

The pages work without the script. With it they ask for their list again each second, and take over what changed in it.
"""
