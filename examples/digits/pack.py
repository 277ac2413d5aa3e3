"""Packs the model folder into a .mar archive, which is a plain zip. Standard library only.

The same files give the same bytes: names are sorted and times left out.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

MODEL = Path(__file__).resolve().parent / "model"


def pack(folder: Path, archive: Path) -> None:
    """Writes every file below the folder, except what Python caches there."""
    with zipfile.ZipFile(archive, "w") as out:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                entry.external_attr = 0o644 << 16
                out.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pack the digits model into a .mar archive.")
    parser.add_argument("archive", type=Path, metavar="OUT.mar", help="file to write; one that exists is replaced")
    arguments = parser.parse_args()
    pack(MODEL, arguments.archive)
    print(f"{arguments.archive}: {arguments.archive.stat().st_size} bytes")


if __name__ == "__main__":
    main()
