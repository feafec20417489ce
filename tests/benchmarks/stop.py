"""Stops the stack `bench` that `--keep` left running: python -m tests.benchmarks.stop"""

from tests.benchmarks.stack import compose_local

if __name__ == "__main__":
    compose_local("down")
