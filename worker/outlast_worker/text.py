"""Texts from elsewhere that JSON can't hold."""


def repair_surrogates(text: str) -> str:
    """Join characters that came in halves, and replace lone halves.

    They are UTF-16 surrogates: Python holds them, and JSON can't be written of them.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
