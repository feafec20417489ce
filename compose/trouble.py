"""What can go wrong for a person, said in a sentence, with what to do about it."""


class Trouble(Exception):
    """Something a person must know. `fix` is what they can do; `code` the exit code (2: their machine, 1: ours)."""

    def __init__(self, what: str, *, fix: str = "", code: int = 1) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.code = code

    def __str__(self) -> str:
        return f"{self.what}\n  what to do: {self.fix}" if self.fix else self.what
