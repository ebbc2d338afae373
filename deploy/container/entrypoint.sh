#!/bin/sh
# The command of a container chooses the piece; what is not listed here is a command of whatsapp-channel:
# web, dispatcher, migrate, doctor, … The shell is replaced, so that signals reach the piece.
set -eu
piece=${1:-web}
[ $# -eq 0 ] || shift
case $piece in
    sandbox) exec python -m sandbox --host 0.0.0.0 "$@" ;;
    lambda) exec python -m sandbox.lambda_host --host 0.0.0.0 "$@" ;;
    aws-setup) exec python -m sandbox.aws_setup "$@" ;;
    *) exec whatsapp-channel "$piece" "$@" ;;
esac
