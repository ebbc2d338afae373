"""A disk of a few megabytes that a test can fill up and free again. Mounting one needs root, as in a container."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = b"\0" * 65536


class SmallDisk:
    """Mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Until not one more byte can be written."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for chunk in (CHUNK, CHUNK[:1]):
                try:
                    while ballast.write(chunk):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        assert self.free() == 0

    def drain(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink()

    def free(self) -> int:
        """Bytes."""
        return os.statvfs(self.folder).f_bfree


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """One that is gone at the end with all that is on it. Fail where it cannot be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert mounted.returncode == 0, (
        f"a disk that can be filled needs the right to mount: run this as root ({mounted.stderr})"
    )
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
