"""`python -m bench`: every row, on SQLite and PostgreSQL."""

from bench import latency, shim
from bench.databases import databases


def main() -> None:
    """Print the table."""
    print(f"{'row':<24}{'database':<14}{'messages':>9}{'p50':>10}{'p99':>10}   goal p50 / p99")
    with databases() as urls:
        for kind, url in urls.items():
            result = latency.measure(url)
            met = "met" if result.p50 <= 0.020 and result.p99 <= 0.100 else "NOT met"
            figures = f"{result.count:>9}{result.p50 * 1000:>7.1f} ms{result.p99 * 1000:>7.1f} ms"
            print(f"{'202 → POST, idle':<24}{kind:<14}{figures}   20 / 100 ms, {met}")
        for kind, url in urls.items():
            added = shim.measure(url)
            met = "met" if added.ratio <= 1.3 else "NOT met"
            figures = f"{added.shim * 1000:.1f} ms through the shim, {added.bare * 1000:.1f} ms with requests alone"
            print(f"{'event of 50, warm':<24}{kind:<14}{figures}: {added.ratio:.2f} times; goal 1.3, {met}")


if __name__ == "__main__":
    main()
