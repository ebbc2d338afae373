"""What is missing or wrong, and how to mend it: for the command `doctor` and for the console. Reads only.

finding.py   what a check says (pure)
at_home.py   settings · credentials · keys · the database and its clock · its templates
meta.py      what Meta says of tokens, numbers and accounts · the webhook, asked as Meta asks
examine.py   all of them, the worst first

Each check is a function that yields findings. No finding holds a token, a key or a part of one.
"""
