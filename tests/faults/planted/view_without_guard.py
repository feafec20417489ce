"""The view in Redis takes events whatever it knew before, so that one told again moves the price back."""

from tests.faults.planted import Change, run

UNGUARDED = Change(
    "consumers.bids.current",
    'Path(__file__).with_name("view.lua").read_text()',
    'Path(__file__).with_name("view.lua").read_text()'
    '.replace("if known > last or (known == last and first > 0) then return 0 end", "")'
    '.replace("if first > 0 and known < first - 1 then return -1 end", "")',
)

if __name__ == "__main__":
    run(UNGUARDED, program="consumers.bids.views")
