"""`python -m ts.utils.setup_model_venv FOLDER`: makes a virtual environment that sees this interpreter's packages, too."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
from typing import List


def setup_model_venv(folder: str) -> None:
    """Creates the environment, with pip; packages of the running interpreter come after its own."""
    venv.EnvBuilder(with_pip=True, system_site_packages=True, symlinks=os.name != "nt").create(folder)
    inherited = [path for path in site.getsitepackages() if os.path.isdir(path)]
    python = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")
    # Asked, because distributions have their own opinions of where packages lie.
    ask = "import sysconfig; print(sysconfig.get_path('purelib'), end='')"
    packages = subprocess.run([python, "-c", ask], stdout=subprocess.PIPE, check=True).stdout.decode()
    with open(os.path.join(packages, "inherited_packages.pth"), "w", encoding="utf-8") as file:
        file.write("\n".join(inherited) + "\n")


def main(arguments: List[str]) -> int:
    if len(arguments) != 1:
        print("Give one argument: the folder of the virtual environment.", file=sys.stderr)
        return 2
    setup_model_venv(arguments[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
