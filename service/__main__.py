"""`whatsapp-channel` and `python -m service`: the command, or one sentence where a package is missing."""

import sys
from importlib import import_module


def main() -> None:
    """Run the command line; exit 1 where the environment does not hold what requirements.txt names."""
    try:
        cli = import_module("service.cli")
        cli.main()
    except ModuleNotFoundError as missing:
        sys.exit(f"the package {missing.name} is missing; run: make setup, or pip install -r requirements.txt")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
