"""Texts that try to give the model orders. Deterministic and advisory: what an agent may do is
decided by its tools and confirmations, not by this."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator, Sequence

from actalog_guardrails.rules.finding import Finding

_HIDDEN = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\ufeff"))
_OVERRIDE = r"(?:ignore|disregard|forget|override|bypass|skip)"
_ALL = (
    r"(?:(?:all|any|every|of|the|my|your|these|those|previous|prior|above|earlier|preceding|"
    r"foregoing|existing|original|system|safety|security) ){0,6}"
)
_ORDERS = (
    r"(?:instructions?|prompts?|rules?|directions?|guidelines?|orders?|commands?|polic(?:y|ies))"
)
_PATTERNS = (
    rf"\b{_OVERRIDE} {_ALL}{_ORDERS}\b",
    r"\b(?:forget|ignore) (?:everything|all that|all of that|what) (?:you|i|we|was|that|above|before)\b",
    (
        rf"\b(?:reveal|show|print|repeat|output|tell me|display|leak|give me) {_ALL}"
        r"(?:hidden |secret |initial |full )?(?:system |developer )(?:prompt|message|instructions?)\b"
    ),
    (
        r"\byou are (?:now|no longer) (?:in |an? |the )?(?:dan|developer mode|jailbroken|unrestricted|"
        r"unfiltered|evil|bound)\b"
    ),
    r"\b(?:enable|enter|activate|switch to) (?:developer|debug|god|jailbreak|dan|sudo) mode\b",
    r"\bdo anything now\b",
    (
        r"\bpretend (?:that )?you (?:have no|are not bound by|do not have)"
        r" (?:any )?(?:restrictions?|rules?|limits?|guidelines?)\b"
    ),
    (
        r"\b(?:without|free of|no) (?:any )?(?:ethical|moral|safety|content) "
        r"(?:restrictions?|filters?|guidelines?|constraints?)\b"
    ),
    r"\b(?:new|updated|real|actual) (?:system )?(?:instructions?|orders?|task) ?(?:follow|:|are\b)",
    r"(?:^|\n) ?(?:### ?)?(?:system|developer) ?(?:prompt|message|override)? ?:",
    r"</?(?:system|instructions?|user|assistant|prompt)>",
    r"<\|(?:im_start|im_end|system|endoftext|eot_id|start_header_id)\|>|\[/?inst\]|<</?sys>>",
    (
        r"\b(?:ignorier\w*|vergiss|missachte\w*) (?:(?:alle|die|deine|bisherigen|vorherigen|obigen|"
        r"vorigen|ganzen) ){1,5}(?:anweisung\w*|regeln|vorgaben|instruktion\w*|befehle)\b"
    ),
    (
        r"\b(?:ignore[zr]?|oublie[zr]?) (?:(?:toutes|tous|les|tes|vos|ces) ){1,4}"
        r"(?:instructions?|consignes?|regles?|directives?)\b"
    ),
    (
        r"\b(?:ignora|olvida|ignore|olvide) (?:(?:todas|todos|las|los|tus|sus|esas) ){1,4}"
        r"(?:instrucciones|reglas|ordenes|indicaciones)\b"
    ),
    r"\bignora (?:(?:tutte|tutti|le|gli|tue|precedenti) ){1,4}(?:istruzioni|regole|ordini)\b",
    r"(?:忽略|无视|忘记)(?:以上|之前|前面|先前|所有|全部|的){1,4}(?:指令|指示|规则|提示)",
    r"игнорируй(?:те)? (?:(?:все|предыдущие|прежние|прошлые) ){0,3}(?:инструкции|указания|правила)",
)
INJECTION = re.compile("|".join(f"(?:{one})" for one in _PATTERNS))
BASE64 = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{24,4096}={0,2}(?![A-Za-z0-9+/=])")


def plain(text: str) -> str:
    """As the patterns want it: compatibility forms, no accents, nothing hidden, lower case,
    single spaces. Lines stay lines."""
    text = unicodedata.normalize("NFKD", text.translate(_HIDDEN))
    text = "".join(one for one in text if not unicodedata.combining(one)).lower()
    return re.sub(r"[^\S\n]+", " ", text)


def find(text: str, extra_patterns: Sequence[str] = ()) -> tuple[Finding, ...]:
    """One finding over the whole text when it tries to give orders: normalising moves offsets.

    Raises:
        re.error: one of the author's patterns is none; definitions are checked before.
    """
    said = plain(text)
    extra = (re.compile(one, re.IGNORECASE) for one in extra_patterns)
    if INJECTION.search(said) or any(one.search(said) for one in extra):
        return (Finding("prompt_injection", 0, len(text)),)
    return tuple(_encoded(text))


def _encoded(text: str) -> Iterator[Finding]:
    """Orders in base64."""
    for found in BASE64.finditer(text):
        try:
            said = base64.b64decode(found.group() + "==", validate=False).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            continue
        if INJECTION.search(plain(said)):
            yield Finding("prompt_injection", *found.span())
