"""`python -m service.cli` is `whatsapp-channel`, where the package is not installed."""

from service.cli import main

main()
