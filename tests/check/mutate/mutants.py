# SPDX-License-Identifier: MIT
"""The mutants of a C source: every small change that a test of it should notice.

The text need not be parsed for that, because .clang-format decides how it looks: a function's
braces stand in the first column, binary operators between blanks, and every branch has braces.
Whatever is no code of a function is blanked out first, so that places in the text stay what they
are.
"""
import dataclasses
import hashlib
import re

# Not what the node does but what it says, or what it holds for impossible: these stay as they are.
SPARED = re.compile(r"\b(?:(?:CORE_)?ASSERT(?:_SLOW)?|_Static_assert|assert|check|PANIC|"
                    r"platform_panic|log_(?:error|warning|info|debug)|fprintf|perror)\s*\(")
# A larger array is none that a test could miss.
ARRAY = re.compile(r"^[ \t]*(?:static )?(?:const )?(?:struct )?\w+ \*?\w+\[$", re.M)
LEXEMES = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|"
                     r"^[ \t]*#(?:\\\n|[^\n])*", re.M | re.S)

OPERATORS = {
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"],
    "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"],
    "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["*"],
    "<<": [">>"], ">>": ["<<"], "&": ["|"], "|": ["&"], "^": ["&"],
    "+=": ["=", "-="], "-=": ["=", "+="], "|=": ["="], "&=": ["="], "^=": ["="],
    "*=": ["="], "/=": ["="], "%=": ["="], "<<=": ["="], ">>=": ["="],
}
BINARY = re.compile(r"(?<=[\w)\]\"'] )(<<=|>>=|[-+*/%&|^<>=!]=|&&|\|\||<<|>>|[-+*/%&|^<>])"
                    r"(?=[ \n])|(?<=[\w)\]\"']\n)\s*(&&|\|\||[-+*/%&|])(?= )")
STEP = re.compile(r"\+\+|--")
NOT = re.compile(r"!(?=[\w(*!])")
NUMBER = re.compile(r"(?<![\w.])(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)(?![\w.])")
CONDITION = re.compile(r"\b(?:if|while)\s*\(")
RELATION = re.compile(r" (?:[<>]=?|[=!]=) ")
# A call, an assignment or a step; a declaration has two words in a row and is none of these.
STATEMENT = re.compile(r"(?:\(void\)\s*)?(?:\*|\+\+|--)?\(?[A-Za-z_]\w*\s*"
                       r"(?:\(|->|\.|\[|=|[-+*/%&|^]=|<<=|>>=|\+\+|--)")
JUMP = re.compile(r"(?:break|continue|return|goto\s+\w+)$")
KEYWORDS = re.compile(r"(?:if|for|while|do|switch|case|default|else|return|sizeof|struct|union|"
                      r"enum|static|const|asm|__asm__|_Static_assert)\b")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change. Text tells it from the others, so that it stays itself when lines move."""
    path: str
    function: str
    line: int      # of the change, from 1
    old: str       # the changed lines as one
    new: str       # what they become
    text: str      # the whole file with the change

    def name(self):
        return (self.path, self.function, self.old, self.new)

    def rank(self, seed):
        """An order in which a sample is drawn: by chance, but the same after a change elsewhere."""
        return hashlib.sha256(repr((seed, self.name())).encode()).digest()


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def closing(text, opening):
    """The place behind the bracket that closes the one at `opening`."""
    depth = 0
    for place in range(opening, len(text)):
        if text[place] in "([{":
            depth += 1
        elif text[place] in ")]}":
            depth -= 1
            if depth == 0:
                return place + 1
    return len(text)


def code_of(text):
    """The text with everything blanked out that is no code: comments, strings, directives, log."""
    def replace(match):
        word = match.group(0)
        # A string remains an operand.
        return '"' + blank(word[1:-1]) + '"' if word[0] in "\"'" else blank(word)
    code = LEXEMES.sub(replace, text)
    place = 0
    while match := SPARED.search(code, place):
        place = closing(code, match.end() - 1)
        code = code[:match.start()] + blank(code[match.start():place]) + code[place:]
    return code


def functions(code):
    """(name, start, end) of each body, but not of those that only assertions ask."""
    for match in re.finditer(r"^\{\n.*?^\}", code, re.M | re.S):
        head = code[:match.start()].rstrip().rsplit("\n\n", 1)[-1]
        names = re.findall(r"\b(\w+)\s*\(", head)
        names = [name for name in names if name not in ("__attribute__", "noinline", "section")]
        name = names[0] if names else "?"
        if not ("static " in head and len(re.findall(rf"\b{name}\b", code)) == 1):
            yield name, match.start() + 1, match.end() - 1


def statements(code, start, end):
    """(start, end) of each simple statement, without its semicolon."""
    begin, place, depth = start, start, 0
    while place < end:
        sign = code[place]
        if sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif depth == 0 and sign in "{};:":
            if sign == ";":
                first = begin + len(code[begin:place]) - len(code[begin:place].lstrip())
                if first < place:
                    yield first, place
            if sign != ":" or is_label(code[begin:place]):
                begin = place + 1
        place += 1


def is_label(text):
    return re.match(r"\s*(?:case\b|default\s*$|\w+\s*$)", text) is not None


def returned(expression):
    """What a function may return instead."""
    words = expression.strip()
    if words in ("true", "false"):
        return ["false" if words == "true" else "true"]
    if words == "0":
        return ["-1"]
    if re.fullmatch(r"NULL|\d+", words):
        return []
    if re.search(r"[<>]|[=!]=|&&|\|\||!", words.replace("->", "")):
        return ["0", "1"]
    return ["0"]


def number_changes(digits, suffix):
    value = int(digits, 16 if digits[:2] in ("0x", "0X") else 10)
    form = hex if digits[:2] in ("0x", "0X") else str
    return [form(other) + suffix for other in (value + 1, value - 1) if other >= 0]


def changes(code, start, end):
    """(start, end, replacement) of each change in one body."""
    for match in BINARY.finditer(code, start, end):
        group = 1 if match.group(1) else 2
        for other in OPERATORS.get(match.group(group), []):
            yield match.start(group), match.end(group), other
    for match in STEP.finditer(code, start, end):
        yield match.start(), match.end(), "--" if match.group(0) == "++" else "++"
    for match in NOT.finditer(code, start, end):
        yield match.start(), match.end(), ""
    for match in NUMBER.finditer(code, start, end):
        line = code[code.rfind("\n", 0, match.start()) + 1:match.start()]
        for other in number_changes(match.group(1), match.group(2)):
            if not ARRAY.match(line):
                yield match.start(), match.end(), other
    for match in CONDITION.finditer(code, start, end):
        finish = closing(code, match.end() - 1)
        inner = code[match.end():finish - 1]
        connected = "&&" in inner or "||" in inner
        # Otherwise its negation is a change of its one operator.
        if connected or not (RELATION.search(inner) or inner.lstrip().startswith("!")):
            yield match.end(), finish - 1, None
    for first, last in statements(code, start, end):
        text = code[first:last]
        if result := re.match(r"return\s+", text):
            for other in returned(text[result.end():]):
                yield first + result.end(), last, other
        elif JUMP.match(text) or (STATEMENT.match(text) and not KEYWORDS.match(text)):
            yield first, last, ""


def mutants_of(path, text):
    """All mutants of a file."""
    code, found = code_of(text), []
    for function, start, end in functions(code):
        for first, last, other in changes(code, start, end):
            if other is None:
                other = f"!({text[first:last]})"
            # The lines after the change keep their numbers.
            filler = "\n" * (text[first:last].count("\n") - other.count("\n"))
            begin = text.rfind("\n", 0, first) + 1
            finish = text.find("\n", last)
            old = " ".join(text[begin:finish].split())
            new = " ".join((text[begin:first] + other + text[last:finish]).split())
            found.append(Mutant(path, function, text.count("\n", 0, first) + 1, old, new,
                                text[:first] + other + filler + text[last:]))
    return found
