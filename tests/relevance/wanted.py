"""What people type, and what they want to see first: told by facts of the lots, not by their text."""

from typing import NamedTuple

SYNTHS = "Roland|Korg|Moog|Yamaha"
MAGIC = "Magic: The Gathering"


class Wanted(NamedTuple):
    """A query; lots with the facts of `best` are worth 3, those of `good` 1, all others nothing."""

    query: str
    best: dict[str, str]
    good: dict[str, str] = {}  # noqa: RUF012  read only


def _of(maker: str, model: str = "", **more: str) -> dict[str, str]:
    return {"maker": maker, **({"model": model} if model else {}), "part": "", **more}


def _about(maker: str, model: str = "") -> dict[str, str]:
    """The things and all that belongs to them."""
    return {"maker": maker, **({"model": model} if model else {})}


WANTED: tuple[Wanted, ...] = (
    # As it is called.
    Wanted("leica m3", _of("Leica", "M3"), _about("Leica", "M3")),
    Wanted("rolex submariner", _of("Rolex", "Submariner"), _about("Rolex", "Submariner")),
    Wanted("gibson les paul", _of("Gibson", "Les Paul"), _about("Gibson", "Les Paul")),
    Wanted("roland juno-106", _of("Roland", "Juno-106"), _about("Roland", "Juno-106")),
    Wanted("miles davis kind of blue", _of("Miles Davis", "Kind of Blue"), _about("Miles Davis")),
    Wanted("omega speedmaster", _of("Omega", "Speedmaster"), _about("Omega", "Speedmaster")),
    Wanted("commodore c64", _of("Commodore", "C64"), _about("Commodore", "C64")),
    Wanted("lego millennium falcon", _of("LEGO", "Millennium Falcon"), _about("LEGO", "Millennium Falcon")),
    Wanted("the hobbit tolkien", _of("J. R. R. Tolkien", "The Hobbit"), _about("J. R. R. Tolkien")),
    Wanted("hasselblad 500c/m", _of("Hasselblad", "500C/M"), _about("Hasselblad", "500C/M")),
    Wanted("fender telecaster", _of("Fender", "Telecaster"), _about("Fender", "Telecaster")),
    Wanted("herman miller eames", _of("Herman Miller", "Eames"), _about("Herman Miller", "Eames")),
    Wanted("nintendo game boy", _of("Nintendo", "Game Boy"), _about("Nintendo", "Game Boy")),
    Wanted("pink floyd dark side of the moon", _of("Pink Floyd", "The Dark Side of the Moon"), _about("Pink Floyd")),
    Wanted("tiffany dragonfly lamp", _of("Tiffany", "Dragonfly"), _about("Tiffany", "Dragonfly")),
    Wanted("air jordan 1", _of("Nike", "Air Jordan 1"), _about("Nike", "Air Jordan 1")),
    Wanted("black lotus", _of(MAGIC, "Black Lotus"), _about(MAGIC, "Black Lotus")),
    Wanted("jaeger-lecoultre reverso", _of("Jaeger-LeCoultre", "Reverso"), _about("Jaeger-LeCoultre", "Reverso")),
    # By its kind, and by what narrows it.
    Wanted("rangefinder camera", {"kind": "rangefinder camera", "part": ""}, {"category": "cameras"}),
    Wanted("electric guitar", {"kind": "electric guitar", "part": ""}, {"category": "guitars"}),
    Wanted("drum machine", {"kind": "drum machine", "part": ""}, {"category": "synthesizers"}),
    Wanted("floor lamp", {"kind": "floor lamp", "part": ""}, {"category": "lamps"}),
    Wanted("red leather sofa", {"kind": "sofa|corner sofa", "colour": "red", "material": "leather", "part": ""}),
    Wanted("teak sideboard", {"kind": "sideboard", "material": "teak"}, {"kind": "sideboard"}),
    Wanted("blue stratocaster", _of("Fender", "Stratocaster", colour="blue"), _about("Fender", "Stratocaster")),
    Wanted("black leather handbag chanel", _of("Chanel", kind="handbag", colour="black"), _about("Chanel")),
    Wanted("walnut desk", {"kind": "desk", "material": "walnut"}, {"kind": "desk"}),
    Wanted("green desk lamp", {"kind": "desk lamp", "colour": "green", "part": ""}, {"kind": "desk lamp"}),
    Wanted("leica lens", {"maker": "Leica", "category": "lenses", "part": ""}, _about("Leica")),
    Wanted("trench coat burberry", _of("Burberry", kind="trench coat"), _of("Burberry")),
    Wanted("pocket knife", {"kind": "pocket knife", "part": ""}, {"category": "knives"}),
    Wanted("tea bowl", {"kind": "tea bowl", "part": ""}, {"category": "porcelain"}),
    # What belongs to it.
    Wanted("strap for hasselblad", {"maker": "Hasselblad", "part": "strap"}, _about("Hasselblad")),
    Wanted("joystick commodore", {"maker": "Commodore", "part": "joystick"}, _about("Commodore")),
    Wanted("hard case telecaster", {"model": "Telecaster", "part": "hard case"}, _about("Fender", "Telecaster")),
    Wanted("saddle", {"part": "saddle"}),
    # Misspelt.
    Wanted("lecia m3", _of("Leica", "M3"), _about("Leica", "M3")),
    Wanted("voigtlander bessa", _of("Voigtländer", "Bessa"), _about("Voigtländer", "Bessa")),
    Wanted("rollex submarinner", _of("Rolex", "Submariner"), _about("Rolex", "Submariner")),
    Wanted("stratocastor", _of("Fender", "Stratocaster"), _about("Fender", "Stratocaster")),
    Wanted("hasselblat camera", _of("Hasselblad"), {"category": "cameras"}),
    Wanted("pokmon charzard", _of("Pokémon", "Charizard"), _about("Pokémon", "Charizard")),
    Wanted("lego milenium falcon", _of("LEGO", "Millennium Falcon"), _about("LEGO", "Millennium Falcon")),
    Wanted("synthesiser moog", _of("Moog", kind="synthesizer"), _about("Moog")),
    Wanted("rickenbaker guitar", _of("Rickenbacker"), _about("Rickenbacker")),
    Wanted("hemingwey old man and the sea", _of("Ernest Hemingway", "The Old Man and the Sea")),
    Wanted("dreamcsat", _of("Sega", "Dreamcast"), _about("Sega", "Dreamcast")),
    Wanted("artmide tolomeo", _of("Artemide", "Tolomeo"), _about("Artemide", "Tolomeo")),
    # Not yet finished.
    Wanted("voigtl", _of("Voigtländer"), _about("Voigtländer")),
    Wanted("telecas", _of("Fender", "Telecaster"), _about("Fender", "Telecaster")),
    Wanted("rolex subm", _of("Rolex", "Submariner"), _about("Rolex", "Submariner")),
    Wanted("mackintosh clas", _of("Apple", "Macintosh Classic"), _about("Apple", "Macintosh Classic")),
    # One or many, joined or apart.
    Wanted("film cameras", {"kind": "film camera", "part": ""}, {"category": "cameras"}),
    Wanted("wristwatches", {"kind": "wristwatch", "part": ""}, {"category": "watches"}),
    Wanted("electric guitars red", {"kind": "electric guitar", "colour": "red", "part": ""}, {"category": "guitars"}),
    Wanted("playstation 2", _of("Sony", "PlayStation 2"), _about("Sony")),
    Wanted("es335", _of("Gibson", "ES-335"), _about("Gibson", "ES-335")),
    Wanted("ms 20 korg", _of("Korg", "MS-20"), _about("Korg", "MS-20")),
    # Other scripts and signs.
    Wanted("hermes birkin", _of("Hermès", "Birkin"), _about("Hermès", "Birkin")),
    Wanted("CHÂTEAU PÉTRUS", _of("Château Pétrus"), _about("Château Pétrus")),
    Wanted("marklin krokodil", _of("Märklin", "Krokodil"), _about("Märklin", "Krokodil")),
    Wanted("ライカ", {"kind": "ja-camera"}),
    Wanted("茶碗", {"kind": "ja-bowl"}),
    Wanted("青花瓷", {"kind": "zh-vase"}),
    Wanted("한복", {"kind": "ko-hanbok"}),
    Wanted("ساعة", {"kind": "ar-watch"}),
    Wanted("שעון", {"kind": "he-watch"}),
    Wanted("самовар", {"kind": "ru-samovar"}),
    Wanted("ΑΘΗΝΑΣ", {"kind": "el-painting"}),
    Wanted("olglass", {"kind": "no-glass"}),
    Wanted("lyzka srebrna", {"kind": "pl-spoon"}),
    Wanted("grosser bauernschrank", {"kind": "de-wardrobe"}),
    Wanted("cafetiere emaillee", {"kind": "fr-cafetiere"}),
    Wanted("🎸", {"kind": "ukulele"}),
    Wanted("🦄 cookie jar", {"kind": "cookie-jar"}),
)
