"""Names of territories in the languages that questions come in, from Unicode CLDR through Babel.

`python -m corpus.territories` writes `data/territories.csv` again after Babel was updated.
"""

from __future__ import annotations

import csv

from corpus.loader import DATA

LANGUAGES = ("en", "zh", "zh_Hant", "ja", "ko", "es", "fr", "de", "pt", "id", "tr", "ar", "ru", "it", "vi", "th")
PATH = DATA / "territories.csv"


def main() -> None:
    """Write code, language, name for every ISO 3166-1 territory."""
    from babel import Locale

    with PATH.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["code", "language", "name"])
        for language in LANGUAGES:
            names = Locale.parse(language).territories
            writer.writerows(
                [code, language.replace("_", "-"), names[code]]
                for code in sorted(names)
                if len(code) == 2 and code.isalpha() and code not in {"EZ", "UN", "ZZ", "QO", "XA", "XB"}
            )


if __name__ == "__main__":
    main()
