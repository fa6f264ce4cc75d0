"""What orders to a model look like, as patterns over a text in its plain form (`injection.plain`).

Each says what a text must have one of, so that most texts are read once, and the pattern. All are
bounded, without repetitions of repetitions. People who talk about instructions, rules or systems of
their own must not be stopped: a pattern wants whose they are (`your`, `previous`, `system`).
"""

import re
import unicodedata
from collections.abc import Sequence

_OVERRIDE = r"(?:ignore|disregard|forget|override|bypass)"
_FOLLOW = (
    r"(?:(?<!i )(?<!we )(?<!they )(?:do not|don'?t|stop|no longer)"
    r"|you (?:must|should|will|can|may) (?:not|never|no longer)) "
    r"(?:follow(?:ing)?|obey(?:ing)?|comply with|adhere to)"
)
_ANY = r"(?:(?:about|and|all|any|every|each|of|the|my|these|those|other) ){0,4}"
_WHOSE = (
    r"(?:(?:your|previous|prior|above|earlier|preceding|foregoing|existing|original|initial|system|"
    r"safety|security|hidden) ){1,4}"
)
_INSTRUCTIONS = r"(?:instructions?|prompts?|directives?|guidelines?|guidance|programming)"
_RULES = r"(?:rules?|directions?|polic(?:y|ies)|context|restrictions?|commands?)"
_OWN = r"(?:(?:your|system|original|safety|security) ){1,3}(?:orders?|training)"
_SECRET = r"(?:system|developer|initial|original|hidden|secret|exact)"
_FREE = r"(?:dan\b|unrestricted|unfiltered|uncensored|jailbroken|evil\b)"

_WORDS: Sequence[tuple[str, str]] = (
    (
        "ignore disregard forget override bypass",
        rf"\b{_OVERRIDE} {_ANY}(?:{_WHOSE}(?:{_INSTRUCTIONS}|{_RULES})|{_OWN})\b",
    ),
    (
        "ignore disregard forget",
        (
            rf"\b(?:ignore|disregard|forget) {_ANY}(?:all|any|every) "
            rf"{_ANY}{_INSTRUCTIONS}\b"
        ),
    ),
    (
        "ignore disregard forget",
        (
            rf"\b(?:ignore|disregard|forget) {_ANY}(?:{_INSTRUCTIONS}|{_RULES}|orders?) "
            r"(?:above|before (?:this|that)|(?:that )?you (?:have |were |had |are )?(?:been )?"
            r"(?:given|got|received|told))\b"
        ),
    ),
    ("skip", rf"\bskip {_ANY}{_WHOSE}(?:{_INSTRUCTIONS}|rules?)\b"),
    (
        "follow obey comply adhere",
        rf"{_FOLLOW} {_ANY}(?:{_WHOSE}(?:{_INSTRUCTIONS}|{_RULES})|{_OWN})\b",
    ),
    (
        "forget ignore disregard",
        (
            r"\b(?:forget|ignore|disregard) (?:everything|all|all that|all of that|what) "
            r"(?:you(?:'ve| have| were| had| are| know| learned)|(?:was |is |stands |said )?"
            r"(?:above(?! \d)|before this))\b"
            r"|\b(?:ignore|disregard) (?:all )?(?:of )?the above (?:text|prompt|and instead)\b"
        ),
    ),
    (
        "prompt message instruction",
        (
            r"\b(?:reveal|show|print|repeat|output|tell|display|leak|give|recite|write)(?: me| us)? "
            rf"{_ANY}(?:(?:your|full|exact|complete) ){{0,2}}(?:{_SECRET} ){{1,2}}prompts?\b"
        ),
    ),
    (
        "your",
        (
            r"\b(?:reveal|show|print|repeat|output|tell|display|leak|give|recite|what(?:'s| is| are| was"
            rf"| were))(?: me| us)? {_ANY}your (?:full )?(?:{_SECRET} ){{1,2}}"
            r"(?:prompts?|messages?|(?<!original )instructions?)\b"
        ),
    ),
    (
        "repeat print output",
        (
            r"\b(?:repeat|print|output) (?:all |all of )?(?:the )?"
            r"(?:text|words|everything|prompt|instructions) above\b"
        ),
    ),
    ("prompt", r"\b(?:the|your) (?:prompt|instructions) (?:that )?you (?:were|have been) given\b"),
    (
        "you",
        (
            r"\byou(?: are|'re) (?:now|no longer) (?:in |an? |the )?(?:dan\b(?! ?'?s\b)|developer mode|"
            r"jailbroken|unrestricted|unfiltered|uncensored|evil|bound)\b"
        ),
    ),
    ("you dan", r"\byou(?: are|'re) dan now\b"),
    (
        "act behave roleplay role-play respond answer speak",
        rf"\b(?:act|behave|role-?play|respond|answer|speak) (?:as|like) (?:an? )?{_FREE}",
    ),
    (
        "mode",
        (
            r"\b(?:enable|enter|activate|switch to|turn on) (?:(?:the |your )?(?:god|jailbreak|dan|sudo)"
            r"|your (?:developer|debug)) mode\b"
            r"|(?:^|\n|[.!?:] )(?:enable|enter|activate|switch to) (?:developer|debug) mode\b"
            r"(?! (?:on|in|for|of)\b)|\b(?:jailbreak|dan|sudo) mode (?:on|activated|enabled)\b"
        ),
    ),
    ("anything", r"\bdo anything now\b"),
    (
        "pretend",
        (
            r"\bpretend (?:that )?you (?:have no|are not bound by|do not have|don'?t have)"
            r" (?:any )?(?:restrictions?|rules?|limits?|guidelines?)\b"
        ),
    ),
    (
        "without no free",
        (
            r"\b(?:ai|assistant|model|chatbot) (?:without|with no|that has no|free of) (?:any )?"
            r"(?:ethical |moral )?(?:rules|restrictions?|limitations?|filters?|guidelines)\b"
        ),
    ),
    (
        "ethical moral safety content",
        (
            r"\b(?:without|free of|no) (?:any )?(?:ethical|moral) (?:or \w{1,12} )?"
            r"(?:restrictions?|filters?|guidelines?|constraints?)\b"
            r"|\b(?:answer|respond|reply|act|operate|speak|write) (?:\w{1,20} ){0,4}(?:without|free of) "
            r"(?:any )?(?:safety|content) (?:restrictions?|filters?|guidelines?|constraints?)\b"
        ),
    ),
    (
        "your",
        (
            r"\b(?:bypass|disable|turn off|remove|drop|circumvent) (?:all )?(?:of )?your "
            r"(?:(?:safety|content|ethical|moral|security|internal) ){1,3}"
            r"(?:filters?|guidelines?|restrictions?|rules|safeguards|guardrails)\b"
            r"|\b(?:bypass|circumvent) your (?:filters?|guidelines?|restrictions?|safeguards)\b"
        ),
    ),
    (
        "instruction task goal job objective",
        (
            r"\b(?:new|updated|real|actual) (?:system )?instructions? ?(?:follow ?)?:"
            r"|\byour (?:new|real|actual|only) (?:task|goal|job|objective) (?:is|now) ?(?:to\b|:)"
        ),
    ),
    (
        "system developer",
        (
            r"(?:^|\n) ?(?:#{1,6} ?(?:system|developer)|\[(?:system|developer)\]|"
            r"(?:system|developer) ?(?:prompt|message|override|instructions?)) ?:"
            r"|(?:^|\n) ?(?:system|developer) ?: ?(?:you|from now|ignore|forget|override|"
            r"new (?:instructions?|rules?|task|orders?)|your|the assistant|assistant|do not|don'?t|always|never|obey)\b"
        ),
    ),
    ("#", r"(?:^|\n) ?#{2,6} ?(?:system|developer) ?(?:prompt|message|instructions?)? ?(?:\n|$)"),
    ("<", r"</?(?:system|system.prompt|instructions?)>|</(?:user|user.input|assistant|prompt)>"),
    (
        "<| [ <<",
        (
            r"<\|(?:im_start|im_end|system|endoftext|eot_id|start_header_id)\|>|\[/?inst\]|<</?sys>>"
            r"|\[system\]\("
        ),
    ),
    (
        "ignorier vergiss missachte",
        (
            r"\b(?:ignorier\w{0,4}|vergiss|missachte\w{0,3}) (?:(?:alle|die|deine|bisherigen|vorherigen|"
            r"obigen|vorigen|ganzen) ){0,4}(?:alle|deine|bisherigen|vorherigen|obigen|vorigen) "
            r"(?:anweisung\w{0,3}|regeln|vorgaben|instruktion\w{0,3}|befehle)\b"
            r"|\bvergiss alles,? was (?:du|dir|man dir|ich dir)\b"
        ),
    ),
    (
        "ignore oublie",
        (
            r"\b(?:ignore|oublie)[sz]? (?:(?:toutes|tous|tes|vos) (?:(?:les|tes|vos|ces) )?"
            r"(?:instructions?|consignes?|regles?|directives?)\b|(?:les|ces) "
            r"(?:instructions?|consignes?|regles?) (?:precedentes|anterieures|ci-dessus))"
            r"|\boublie[zr]? tout ce (?:que|qui) (?:tu|vous|precede)\b"
        ),
    ),
    (
        "ignor olvid esquec desconsider",
        (
            r"(?<!no )(?<!nao )\b(?:ignor[ae]|olvid[ae]|esquec[ae]|desconsidere) "
            r"(?:(?:todas|todos|tus|sus|suas|tuas) (?:(?:las|los|as|os|tus|sus|suas|tuas) )?"
            r"(?:instrucciones|instrucoes|reglas|regras|ordenes|indicaciones|diretrizes)\b"
            r"|(?:las|los|as|os) (?:instrucciones|instrucoes|reglas|regras) (?:anteriores|previas))"
        ),
    ),
    (
        "ignora dimentica",
        (
            r"\b(?:ignora|dimentica) (?:(?:tutte|tutti) (?:le |gli |i )?(?:tue )?"
            r"(?:istruzioni|regole|ordini)\b|(?:le|tue|le tue) (?:istruzioni|regole) precedenti)"
        ),
    ),
    (
        "negeer vergeet",
        (
            r"\b(?:negeer|vergeet) (?:de )?"
            r"(?:(?:alle|je|uw|vorige|eerdere|voorgaande|bovenstaande) ){1,4}"
            r"(?:instructies|regels|opdrachten)\b"
        ),
    ),
    (
        "ignorer glom",
        (
            r"\b(?:ignorera?|glom) (?:(?:alla|alle|tidigare|tidligere|dina|dine) ){1,3}"
            r"(?:instruktioner\w{0,2}|instruksjoner|regler)\b"
        ),
    ),
    (
        "ignoruj zapomnij",
        (
            r"\b(?:z?ignoruj|zapomnij)(?:cie)? (?:(?:o|wszystkie|wszystkich|poprzednie|poprzednich|"
            r"wczesniejsze|swoje) ){1,3}(?:instrukcj\w{1,3}|polecen\w{1,3}|zasad\w{0,2})\b"
        ),
    ),
    (
        "talimat kural komut",
        (
            r"\b(?:onceki|tum|yukaridaki) (?:(?:tum|butun) )?(?:talimatlari|kurallari|komutlari) "
            r"(?:yok say|unut|gormezden gel)"
        ),
    ),
    (
        "игнорируй забудь",
        (
            r"(?:игнорируй|забудь)(?:те)? (?:(?:все|предыдущие|прежние|прошлые|свои) ){1,3}"
            r"(?:инструкции|указания|правила)"
        ),
    ),
    (
        "忽略 无视 忘记 忽視 無視",
        (
            r"(?:忽略|无视|忘记|忽視|無視)(?:以上|之前|前面|先前|所有|全部|你|的){1,4}"
            r"(?:指令|指示|规则|規則|提示)"
        ),
    ),
    (
        "無視 忘れ",
        (
            r"(?:以前|これまで|今まで|上記|前|すべて|全て)の(?:すべての|全ての)?"
            r"(?:指示|命令|ルール|プロンプト)を(?:すべて|全て)?(?:無視|忘れ)"
        ),
    ),
    (
        "무시 잊",
        r"(?:이전|위|앞|모든)(?:의)? ?(?:모든 )?(?:지시|명령|지침|프롬프트)\w{0,4} ?(?:모두 )?(?:무시|잊)",
    ),
    ("تجاهل انس", r"(?:تجاهل|انس) (?:(?:جميع|كل|كافة) )?(?:ال)?(?:تعليمات|اوامر|قواعد)"),
)


def _decomposed(text: str) -> str:
    """As the texts are: without accents, in letters that are composed of no others."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(one for one in parts if unicodedata.category(one) not in ("Cf", "Mn", "Me"))


ORDERS = tuple(
    (tuple(_decomposed(words).split()), re.compile(_decomposed(pattern)))
    for words, pattern in _WORDS
)
"""(one of these words is in the text, the pattern)"""
