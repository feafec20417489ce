"""`python -m consumers.transcoding`: one process of the worker."""

import sys

from consumers.runtime.worker import start
from consumers.transcoding.app import build

if __name__ == "__main__":
    sys.exit(start("transcoding", build))
