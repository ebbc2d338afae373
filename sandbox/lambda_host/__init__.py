"""AWS Lambda on localhost for one function: `python -m sandbox.lambda_host`.

It runs the function under AWS's own runtime client (awslambdaric, in processes of its own) and answers the Invoke API,
so that `aws lambda invoke --endpoint-url http://127.0.0.1:9000` works as it is. It imports nothing of the function.

The path of one POST /2015-03-31/functions/<name>/invocations, file by file:

    invoke_api.py    the HTTP side: which function, what kind of invocation; Lambda's answers and errors
    function.py      a free execution environment for it, or none; events that run later and again
    environment.py   init where it is cold, the invocation, its time-out, what the log says of it
    runtime.py       one process of the runtime client, from its start to its end
    runtime_api.py   what that process asks for its invocations and answers them through
    log.py           what the process prints, line by line; the tail that a caller may ask for

With `--queue-url` there is a second caller of function.py, with the messages of a queue:

    event_source.py  a batch of messages → an invocation → which of them are done, as an event source mapping has it
    sqs.py           the queue, through boto3

Beside it: invocation.py holds the values that are handed on, report.py Lambda's wording of log lines and errors (both
pure), app.py starts and stops it all.
"""
