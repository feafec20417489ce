"""Currencies: which there are, the least that may be charged, and amounts in words (Stripe: Supported currencies)."""

from compose.sandboxes.stripe.problems import invalid

ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
_OTHERS = frozenset(
    {
        "aed", "afn", "all", "amd", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd", "bdt", "bgn", "bhd", "bmd", "bnd",
        "bob", "brl", "bsd", "bwp", "byn", "bzd", "cad", "cdf", "chf", "cny", "cop", "crc", "cve", "czk", "dkk", "dop",
        "dzd", "egp", "etb", "eur", "fjd", "fkp", "gbp", "gel", "gip", "gmd", "gtq", "gyd", "hkd", "hnl", "htg", "huf",
        "idr", "ils", "inr", "isk", "jmd", "jod", "kes", "kgs", "khr", "kwd", "kyd", "kzt", "lak", "lbp", "lkr", "lrd",
        "lsl", "mad", "mdl", "mkd", "mmk", "mnt", "mop", "mur", "mvr", "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio",
        "nok", "npr", "nzd", "omr", "pab", "pen", "pgk", "php", "pkr", "pln", "qar", "ron", "rsd", "rub", "sar", "sbd",
        "scr", "sek", "sgd", "shp", "sle", "sos", "srd", "std", "szl", "thb", "tjs", "tnd", "top", "try", "ttd", "twd",
        "tzs", "uah", "ugx", "usd", "uyu", "uzs", "wst", "xcd", "yer", "zar", "zmw",
    }
)  # fmt: skip
_LEAST = {
    "jpy": 50,
    "gbp": 30,
    "hkd": 400,
    "sek": 300,
    "nok": 300,
    "dkk": 250,
    "czk": 1_500,
    "huf": 17_500,
    "mxn": 1_000,
    "pln": 200,
}


def known_currency(given: str) -> str:
    """The currency in small letters; raises Problem when there is none of this name."""
    if given not in ZERO_DECIMAL and given not in _OTHERS:
        raise invalid(
            f"Invalid currency: {given}. Stripe currently supports these currencies: {', '.join(sorted(ZERO_DECIMAL | _OTHERS))}",
            "currency",
        )
    return given


def least(currency: str) -> int:
    """The smallest charge."""
    return _LEAST.get(currency, 50)


def words(amount: int, currency: str) -> str:
    """An amount as Stripe's messages put it."""
    minus, size = "-" if amount < 0 else "", abs(amount)
    if currency in ZERO_DECIMAL:
        return f"{minus}¥{size:,}" if currency == "jpy" else f"{minus}{size:,} {currency}"
    sign = {"usd": "$", "eur": "€", "gbp": "£"}.get(currency, "")
    return f"{minus}{sign}{size / 100:,.2f} {currency}"
