"""From the text of a filter to its tree: an unambiguous grammar, read in time linear in its length.

price < 20 and category in ["tea", "coffee"] and stock > 0 and not sold_out and attributes.colour = "red"
"""

import re
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, VisitError

from serving.conditions.tree import (
    Both,
    Comparison,
    Condition,
    Either,
    Field,
    FilterError,
    Flag,
    Known,
    Not,
    OneOf,
    Value,
    depth,
    leaves,
)

LONGEST = 4096
"""Characters of a filter."""
MOST_COMPARISONS = 64
DEEPEST = 16
"""How deep a filter's parentheses may be nested, beside those that say nothing."""

_GRAMMAR = r"""
start: either
?either: both (OR both)*           -> either
?both: inverse (AND inverse)*      -> both
?inverse: NOT inverse              -> inverse
    | "(" either ")"
    | field OPERATOR value         -> comparison
    | field OPERATOR NULL          -> compared_with_null
    | field IN "[" values "]"      -> one_of
    | field NOT IN "[" values "]"  -> none_of
    | value IN field               -> member
    | value NOT IN field           -> no_member
    | field                        -> flag
values: [value ("," value)*]
field: NAME ("." NAME)?            -> named
    | NAME "[" TEXT "]"            -> quoted
?value: TEXT -> text | NUMBER -> number | TRUE -> true | FALSE -> false

OPERATOR: "=" | "==" | "!=" | "<=" | ">=" | "<" | ">"
AND.3: /and\b/i
OR.3: /or\b/i
NOT.3: /not\b/i
IN.3: /in\b/i
TRUE.3: /true\b/i
FALSE.3: /false\b/i
NULL.3: /null\b/i
NUMBER.2: /[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?/
TEXT: /"(\\.|[^"\\])*"/s | /'(\\.|[^'\\])*'/s
NAME: /[^\W\d]\w*/
%ignore /\s+/
"""
_NAMES = {"OPERATOR": "a comparison", "TEXT": "a text in quotes", "NUMBER": "a number", "NAME": "a field"}


def read(text: str) -> Condition:
    """The tree of a filter.

    Raises FilterError for one that is too long, too deep or not in the language, with the position.
    """
    if len(text) > LONGEST:
        raise FilterError(f"a filter has at most {LONGEST} characters", LONGEST)
    try:
        found: Condition = _parser().parse(text)  # type: ignore[assignment]
    except VisitError as error:
        raise error.orig_exc from error
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None
    if depth(found) > DEEPEST:
        raise FilterError(f"conditions are nested more than {DEEPEST} deep", 0)
    if sum(1 for _ in leaves(found)) > MOST_COMPARISONS:
        raise FilterError(f"a filter has at most {MOST_COMPARISONS} comparisons", 0)
    return found


@v_args(inline=True)
class _Reader(Transformer[Token, Any]):
    """What each rule of the grammar makes."""

    def start(self, condition: Condition) -> Condition:
        return condition

    def either(self, *parts: Any) -> Condition:
        return Either(tuple(parts[::2])) if len(parts) > 1 else parts[0]

    def both(self, *parts: Any) -> Condition:
        return Both(tuple(parts[::2])) if len(parts) > 1 else parts[0]

    def inverse(self, _: Token, part: Condition) -> Condition:
        return Not(part)

    def comparison(self, field: Field, operator: Token, value: tuple[Value, int]) -> Condition:
        sign = "=" if operator == "==" else str(operator)
        return Comparison(field, sign, value[0], value[1])  # type: ignore[arg-type]

    def compared_with_null(self, field: Field, operator: Token, null: Token) -> Condition:
        if operator not in ("=", "==", "!="):
            raise FilterError(
                "null has no order: only = and != compare with it", _start(operator), field.name
            )
        return Known(field) if operator == "!=" else Not(Known(field))

    def one_of(self, field: Field, token: Token, values: tuple[tuple[Value, int], ...]) -> Condition:
        return OneOf(field, tuple(value for value, _ in values), values[0][1] if values else _start(token))

    def none_of(self, field: Field, _: Token, token: Token, values: Any) -> Condition:
        return Not(self.one_of(field, token, values))

    def member(self, value: tuple[Value, int], _: Token, field: Field) -> Condition:
        return OneOf(field, (value[0],), value[1])

    def no_member(self, value: tuple[Value, int], _: Token, __: Token, field: Field) -> Condition:
        return Not(OneOf(field, (value[0],), value[1]))

    def flag(self, field: Field) -> Condition:
        return Flag(field)

    def values(self, *values: tuple[Value, int] | None) -> tuple[tuple[Value, int], ...]:
        return tuple(each for each in values if each is not None)

    def named(self, first: Token, second: Token | None = None) -> Field:
        if second is None:
            return Field(str(first), _start(first))
        return self._attribute(first, str(second))

    def quoted(self, first: Token, name: Token) -> Field:
        return self._attribute(first, _unquoted(name))

    def text(self, token: Token) -> tuple[Value, int]:
        return _unquoted(token), _start(token)

    def number(self, token: Token) -> tuple[Value, int]:
        return float(token), _start(token)

    def true(self, token: Token) -> tuple[Value, int]:
        return True, _start(token)

    def false(self, token: Token) -> tuple[Value, int]:
        return False, _start(token)

    def _attribute(self, first: Token, name: str) -> Field:
        if first != "attributes":
            raise FilterError(f"there is no field {first}.{name}", _start(first), f"{first}.{name}")
        return Field(name, _start(first), attribute=True)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Reader(), maybe_placeholders=False)


def _start(token: Token) -> int:
    return token.start_pos or 0


def _unquoted(token: Token) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)


def _unexpected(text: str, error: UnexpectedInput) -> FilterError:
    token = getattr(error, "token", None)
    at_end = isinstance(error, UnexpectedEOF) or (isinstance(token, Token) and token.type == "$END")
    position = len(text) if at_end else error.pos_in_stream or 0
    allowed = (
        error.accepts or error.expected
        if isinstance(error, UnexpectedToken)
        else getattr(error, "allowed", ())
    )
    wanted = sorted({_NAMES.get(name, name.lower()) for name in allowed or () if name in _NAMES})
    said = "the filter ends too early" if at_end else f"unexpected {_shown(text, position)}"
    if isinstance(error, UnexpectedCharacters) and text[position] in "\"'":
        said = "a text without its closing quote"
        wanted = []
    return FilterError(said + (f": expected {' or '.join(wanted)}" if wanted else ""), position)


def _shown(text: str, position: int) -> str:
    word = re.match(r"\w+|.", text[position:], flags=re.DOTALL)
    return repr(word.group()[:40]) if word else "end"
