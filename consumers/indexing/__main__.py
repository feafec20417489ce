"""`python -m consumers.indexing`: one process of the worker."""

import sys

from consumers.indexing.app import build
from consumers.runtime.worker import start

if __name__ == "__main__":
    sys.exit(start("indexing", build))
