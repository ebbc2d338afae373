"""`python -m bench`: every row, on SQLite and PostgreSQL."""

from bench.databases import databases
from bench.latency import measure


def main() -> None:
    """Print the table."""
    print(f"{'row':<24}{'database':<14}{'messages':>9}{'p50':>10}{'p99':>10}   goal p50 / p99")
    with databases() as urls:
        for kind, url in urls.items():
            result = measure(url)
            met = "met" if result.p50 <= 0.020 and result.p99 <= 0.100 else "NOT met"
            figures = f"{result.count:>9}{result.p50 * 1000:>7.1f} ms{result.p99 * 1000:>7.1f} ms"
            print(f"{'202 → POST, idle':<24}{kind:<14}{figures}   20 / 100 ms, {met}")


if __name__ == "__main__":
    main()
