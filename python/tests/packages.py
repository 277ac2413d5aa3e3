"""Puts the folder of the packages under test on sys.path; every test module imports this first."""

from __future__ import annotations

import os
import sys

PACKAGES_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPOSITORY_DIR = os.path.dirname(PACKAGES_DIR)

if PACKAGES_DIR not in sys.path:
    sys.path.insert(0, PACKAGES_DIR)
