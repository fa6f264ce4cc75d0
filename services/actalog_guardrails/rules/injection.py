"""Texts that try to give the model orders. Deterministic and advisory: what an agent may do is
decided by its tools and confirmations, not by this."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator, Sequence

from actalog_guardrails.rules import patterns
from actalog_guardrails.rules.finding import Finding

# Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans("\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u0501\u051b\u03b1\u03bf\u03c1\u03b9\u03bd\u03ba\u0131",
                            "aeopcyxisjdlaopivki")  # fmt: skip
_OVERRIDE = r"(?:ignore|disregard|forget|override|bypass|skip)"
_ALL = (
    r"(?:(?:all|any|every|of|the|my|your|these|those|previous|prior|above|earlier|preceding|"
    r"foregoing|existing|original|system|safety|security) ){0,6}"
)
_ORDERS = (
    r"(?:instructions?|prompts?|rules?|directions?|guidelines?|orders?|commands?|polic(?:y|ies))"
)
_RULES: Sequence[tuple[str, str]] = (
    # (words of which a text must have one, so that most texts are read once; the pattern)
    ("ignore disregard forget override bypass skip", rf"\b{_OVERRIDE} {_ALL}{_ORDERS}\b"),
    (
        "forget ignore",
        r"\b(?:forget|ignore) (?:everything|all that|all of that|what) (?:you|i|we|was|that|above|before)\b",
    ),
    (
        "reveal show print repeat output tell display leak give",
        (
            rf"\b(?:reveal|show|print|repeat|output|tell me|display|leak|give me) {_ALL}"
            r"(?:hidden |secret |initial |full )?(?:system |developer )(?:prompt|message|instructions?)\b"
        ),
    ),
    (
        "you",
        (
            r"\byou are (?:now|no longer) (?:in |an? |the )?(?:dan|developer mode|jailbroken|unrestricted|"
            r"unfiltered|evil|bound)\b"
        ),
    ),
    (
        "mode",
        r"\b(?:enable|enter|activate|switch to) (?:developer|debug|god|jailbreak|dan|sudo) mode\b",
    ),
    ("anything", r"\bdo anything now\b"),
    (
        "pretend",
        (
            r"\bpretend (?:that )?you (?:have no|are not bound by|do not have)"
            r" (?:any )?(?:restrictions?|rules?|limits?|guidelines?)\b"
        ),
    ),
    (
        "ethical moral safety content",
        (
            r"\b(?:without|free of|no) (?:any )?(?:ethical|moral|safety|content) "
            r"(?:restrictions?|filters?|guidelines?|constraints?)\b"
        ),
    ),
    (
        "instruction order task",
        r"\b(?:new|updated|real|actual) (?:system )?(?:instructions?|orders?|task) ?(?:follow|:|are\b)",
    ),
    (
        "system developer",
        r"(?:^|\n) ?(?:### ?)?(?:system|developer) ?(?:prompt|message|override)? ?:",
    ),
    ("<", r"</?(?:system|instructions?|user|assistant|prompt)>"),
    (
        "<| [ <<",
        r"<\|(?:im_start|im_end|system|endoftext|eot_id|start_header_id)\|>|\[/?inst\]|<</?sys>>",
    ),
    (
        "ignorier vergiss missachte",
        (
            r"\b(?:ignorier\w*|vergiss|missachte\w*) (?:(?:alle|die|deine|bisherigen|vorherigen|obigen|"
            r"vorigen|ganzen) ){1,5}(?:anweisung\w*|regeln|vorgaben|instruktion\w*|befehle)\b"
        ),
    ),
    (
        "ignore oublie",
        (
            r"\b(?:ignore[zr]?|oublie[zr]?) (?:(?:toutes|tous|les|tes|vos|ces) ){1,4}"
            r"(?:instructions?|consignes?|regles?|directives?)\b"
        ),
    ),
    (
        "ignor olvid",
        (
            r"\b(?:ignora|olvida|ignore|olvide) (?:(?:todas|todos|las|los|tus|sus|esas) ){1,4}"
            r"(?:instrucciones|reglas|ordenes|indicaciones)\b"
        ),
    ),
    (
        "ignora",
        r"\bignora (?:(?:tutte|tutti|le|gli|tue|precedenti) ){1,4}(?:istruzioni|regole|ordini)\b",
    ),
    (
        "忽略 无视 忘记",
        r"(?:忽略|无视|忘记)(?:以上|之前|前面|先前|所有|全部|的){1,4}(?:指令|指示|规则|提示)",
    ),
    (
        "игнорируи",
        r"игнорируи(?:те)? (?:(?:все|предыдущие|прежние|прошлые) ){0,3}(?:инструкции|указания|правила)",
    ),
)
_COMPILED = tuple((tuple(words.split()), re.compile(pattern)) for words, pattern in _RULES)
BASE64 = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{24,4096}={0,2}(?![A-Za-z0-9+/=])")


def plain(text: str) -> str:
    """As the patterns want it: compatibility forms, no accents, nothing hidden (formats, tags,
    selectors), lower case, single spaces. Lines stay lines."""
    if not text.isascii():
        text = "".join(filter(_shown, unicodedata.normalize("NFKD", text)))
    return re.sub(r"[^\S\n]+", " ", text.lower())


def _shown(one: str) -> bool:
    return unicodedata.category(one) not in ("Cf", "Mn", "Me")


def find(text: str, extra_patterns: Sequence[str] = ()) -> tuple[Finding, ...]:
    """One finding over the whole text when it tries to give orders: normalising moves offsets.

    Raises:
        BadPattern: one of the author's patterns cannot be used.
    """
    said = plain(text)
    if _orders(said) or _by_author(text, said, extra_patterns):
        return (Finding("prompt_injection", 0, len(text)),)
    return tuple(_encoded(text))


def _orders(said: str) -> bool:
    if _ordered(said):
        return True
    return not said.isascii() and _ordered(said.translate(_LOOKALIKES))


def _ordered(said: str) -> bool:
    return any(
        any(word in said for word in words) and pattern.search(said) is not None
        for words, pattern in _COMPILED
    )


def _by_author(text: str, said: str, extra_patterns: Sequence[str]) -> bool:
    """In the text as it came, too: a pattern may have accents."""
    for pattern in map(patterns.compiled, extra_patterns):
        if patterns.occurs(pattern, said) or patterns.occurs(pattern, text):
            return True
    return False


def _encoded(text: str) -> Iterator[Finding]:
    """Orders in base64."""
    for found in BASE64.finditer(text):
        try:
            said = base64.b64decode(found.group() + "==", validate=False).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            continue
        if _orders(plain(said)):
            yield Finding("prompt_injection", *found.span())
