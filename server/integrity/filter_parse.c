/* Reads a filter expression; what it cannot read it tells with the column. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/mem.h"
#include "base/method.h"
#include "base/rule_table.h"
#include "base/text.h"
#include "conf/conf.h"
#include "integrity/filter_int.h"
#include "integrity/integrity.h"

enum { WORD_BYTES = 64, SHOWN_BYTES = 40 };

enum value_kind { VALUE_TEXT, VALUE_NUMBER, VALUE_SIZE, VALUE_TIME, VALUE_TRUTH, VALUE_TAG };

static const struct {
    const char *name;
    enum value_kind kind;
} keys[FILTER_KEYS] = {
    [FILTER_SERVICE] = {"service", VALUE_TEXT}, [FILTER_INSTANCE] = {"instance", VALUE_TEXT},
    [FILTER_RULE] = {"rule", VALUE_TEXT},       [FILTER_VERDICT] = {"verdict", VALUE_TEXT},
    [FILTER_SIGNAL] = {"signal", VALUE_TEXT},   [FILTER_METHOD] = {"method", VALUE_TEXT},
    [FILTER_TRACE] = {"trace", VALUE_TEXT},     [FILTER_SEGMENT] = {"segment", VALUE_TEXT},
    [FILTER_SPANS] = {"spans", VALUE_NUMBER},   [FILTER_BYTES] = {"bytes", VALUE_SIZE},
    [FILTER_AGE] = {"age", VALUE_TIME},         [FILTER_OPERATION] = {"operation", VALUE_TEXT},
    [FILTER_PEER] = {"peer", VALUE_TEXT},       [FILTER_ERROR] = {"error", VALUE_TRUTH},
    [FILTER_TAG] = {"tag.KEY", VALUE_TAG},
};

struct reader {
    struct bytes text;
    size_t at;
    unsigned depth;
    struct filter *filter;
    struct filter_error *error; /* text[0] is set by the first fault */
};

/* How columns are counted: a character's first byte. */
static size_t
column_at(const struct reader *reader, size_t at)
{
    size_t column = 1;
    for (size_t i = 0; i < at && i < reader->text.n; i++)
        column += (reader->text.p[i] & 0xc0) != 0x80;
    return column;
}

/* Frees the words. False, for callers to pass on. */
static bool
fail(struct reader *reader, size_t at, struct text *words)
{
    reader->error->column = column_at(reader, at);
    snprintf(reader->error->text, sizeof(reader->error->text), "%s", words->p);
    text_fini(words);
    return false;
}

static bool
fail_plain(struct reader *reader, size_t at, const char *words)
{
    struct text text = TEXT_EMPTY;
    text_add(&text, words);
    return fail(reader, at, &text);
}

/* "no key "sevice"; did you mean "service"?" */
static bool
fail_unknown(struct reader *reader, size_t at, const char *what, struct bytes word,
             const char *const *known, size_t n_known)
{
    struct text text = TEXT_EMPTY;
    char copy[WORD_BYTES];
    snprintf(copy, sizeof(copy), "%.*s", BYTES_ARG(word));
    const char *nearest = word.n < sizeof(copy) ? text_nearest(copy, known, n_known) : NULL;
    text_addf(&text, "there is no %s \"", what);
    text_add_plain(&text, word, SHOWN_BYTES);
    text_add(&text, "\"");
    if (nearest != NULL)
        text_addf(&text, "; did you mean \"%s\"?", nearest);
    return fail(reader, at, &text);
}

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
skip_blanks(struct reader *reader)
{
    while (reader->at < reader->text.n && is_blank(reader->text.p[reader->at]))
        reader->at++;
}

/* 0 at the end. */
static uint8_t
peek(const struct reader *reader)
{
    return reader->at < reader->text.n ? reader->text.p[reader->at] : 0;
}

static bool
is_operator(uint8_t c)
{
    return c == '=' || c == '!' || c == '<' || c == '>' || c == '~';
}

/* What a bare word ends at. */
static bool
is_end(uint8_t c)
{
    return is_blank(c) || c == '(' || c == ')' || c == '"';
}

/* The word that begins here, a key or a keyword; nothing is taken. */
static struct bytes
look_word(const struct reader *reader)
{
    size_t end = reader->at;
    while (end < reader->text.n && !is_end(reader->text.p[end]) &&
           !is_operator(reader->text.p[end]))
        end++;
    return bytes_of(reader->text.p + reader->at, end - reader->at);
}

/* Takes the keyword if it is next. One that an operator follows is a key. */
static bool
take_keyword(struct reader *reader, const char *keyword)
{
    skip_blanks(reader);
    struct bytes word = look_word(reader);
    size_t next = reader->at + word.n;
    bool is_key = next < reader->text.n && is_operator(reader->text.p[next]);
    if (is_key || !bytes_equal(word, bytes_str(keyword)))
        return false;
    reader->at = next;
    return true;
}

static bool
new_node(struct reader *reader, enum filter_kind kind, uint32_t left, uint32_t right, uint32_t *out)
{
    struct filter *filter = reader->filter;
    if (filter->n_nodes == FILTER_MAX_NODES)
        return fail_plain(reader, reader->at, "too much: at most 64 comparisons and words between");
    *out = filter->n_nodes++;
    filter->nodes[*out] =
        (struct filter_node){.kind = kind, .left = (uint8_t)left, .right = (uint8_t)right};
    return true;
}

static bool
read_key(struct reader *reader, struct filter_node *node)
{
    struct bytes word = look_word(reader);
    const char *names[FILTER_KEYS];
    for (uint32_t i = 0; i < FILTER_KEYS; i++)
        names[i] = keys[i].name;
    if (word.n == 0 || bytes_equal(word, BYTES("and")) || bytes_equal(word, BYTES("or")))
        return fail_plain(reader, reader->at,
                          "expected a comparison, as service=checkout*, \"not\" or \"(\"");
    node->key = FILTER_KEYS;
    for (uint32_t i = 0; i < FILTER_TAG; i++)
        if (bytes_equal(word, bytes_str(names[i])))
            node->key = (enum filter_key)i;
    if (bytes_starts(word, BYTES("tag.")) && word.n > 4) {
        node->key = FILTER_TAG;
        node->tag = bytes_of(word.p + 4, word.n - 4);
    }
    if (bytes_equal(word, BYTES("tag.")) || bytes_equal(word, BYTES("tag")))
        return fail_plain(reader, reader->at, "expected tag.KEY, as tag.http.status_code=500");
    if (node->key == FILTER_KEYS)
        return fail_unknown(reader, reader->at, "key", word, names, FILTER_KEYS);
    reader->at += word.n;
    return true;
}

static bool
read_operator(struct reader *reader, struct filter_node *node)
{
    static const struct {
        const char *sign;
        enum filter_operator op;
    } operators[] = {
        {"!=", FILTER_EQUAL}, {">=", FILTER_AT_LEAST}, {"<=", FILTER_AT_MOST},
        {"=", FILTER_EQUAL},  {"~", FILTER_CONTAINS},  {">", FILTER_MORE},
        {"<", FILTER_LESS},
    };
    struct bytes rest = bytes_of(reader->text.p + reader->at, reader->text.n - reader->at);
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (!bytes_starts(rest, bytes_str(operators[i].sign)))
            continue;
        node->op = operators[i].op;
        node->is_negated = i == 0;
        reader->at += strlen(operators[i].sign);
        return true;
    }
    return fail_plain(reader, reader->at, "expected one of = != ~ > >= < <=");
}

static bool
check_operator(struct reader *reader, size_t at, const struct filter_node *node)
{
    enum value_kind kind = keys[node->key].kind;
    bool is_order = node->op != FILTER_EQUAL && node->op != FILTER_CONTAINS;
    if (kind == VALUE_TEXT && is_order)
        return fail_plain(reader, at, "text is compared with =, != or ~");
    if (kind == VALUE_TRUTH && node->op != FILTER_EQUAL)
        return fail_plain(reader, at, "error is compared with = or !=");
    if ((kind == VALUE_NUMBER || kind == VALUE_SIZE || kind == VALUE_TIME) &&
        node->op == FILTER_CONTAINS)
        return fail_plain(reader, at, "numbers are compared with = != > >= < <=");
    return true;
}

/* Into the filter's text, which has room for the whole expression. */
static void
keep(struct filter *filter, uint8_t c)
{
    filter->text[filter->n_text++] = (char)c;
}

/* Behind the opening quote. \" is a quote; other backslashes are the pattern's. */
static bool
read_quoted(struct reader *reader)
{
    size_t begin = reader->at++;
    while (reader->at < reader->text.n && peek(reader) != '"') {
        uint8_t c = reader->text.p[reader->at++];
        if (c == '\\' && reader->at < reader->text.n) {
            if (peek(reader) != '"')
                keep(reader->filter, c);
            c = reader->text.p[reader->at++];
        }
        keep(reader->filter, c);
    }
    if (reader->at >= reader->text.n)
        return fail_plain(reader, begin, "this quote is not closed");
    reader->at++;
    uint8_t next = peek(reader);
    if (reader->at < reader->text.n && !is_blank(next) && next != ')')
        return fail_plain(reader, reader->at, "expected a blank behind the quote");
    return true;
}

static bool
read_bare(struct reader *reader, bool is_apart)
{
    size_t begin = reader->at;
    if (begin == reader->text.n || is_end(peek(reader)) || peek(reader) == '=')
        return fail_plain(reader, begin, "expected a value; \"\" is the empty one");
    for (; reader->at < reader->text.n && !is_end(peek(reader)); reader->at++) {
        if (is_apart && is_operator(peek(reader)))
            return fail_plain(reader, begin, "expected a value; with signs in it, in quotes");
        keep(reader->filter, peek(reader));
    }
    if (peek(reader) == '"' || peek(reader) == '(')
        return fail_plain(reader, reader->at,
                          "quotes and parentheses within a value: put all of it in quotes");
    return true;
}

/* Value as text in *out; at: where it began. */
static bool
read_value(struct reader *reader, const struct filter_node *node, struct bytes *out, size_t *at)
{
    struct filter *filter = reader->filter;
    bool is_apart = is_blank(peek(reader));
    skip_blanks(reader);
    *at = reader->at;
    size_t begin = filter->n_text;
    if (node->op == FILTER_CONTAINS)
        keep(filter, '*');
    bool is_read = peek(reader) == '"' ? read_quoted(reader) : read_bare(reader, is_apart);
    if (node->op == FILTER_CONTAINS)
        keep(filter, '*');
    *out = bytes_of(filter->text + begin, filter->n_text - begin);
    return is_read;
}

static bool
is_pattern(struct bytes value)
{
    for (size_t i = 0; i < value.n; i++)
        if (strchr("*?[\\", value.p[i]) != NULL)
            return true;
    return false;
}

/* Names of a closed set are known, unless they stand for several. */
static bool
check_name(struct reader *reader, size_t at, const struct filter_node *node)
{
    static const char *const what[] = {
        [FILTER_RULE] = "rule", [FILTER_VERDICT] = "verdict", [FILTER_SIGNAL] = "signal"};
    const char *names[RULE_COUNT];
    size_t n = 0;
    if (node->key < FILTER_RULE || node->key > FILTER_SIGNAL || is_pattern(node->pattern))
        return true;
    if (node->key == FILTER_RULE)
        for (; n < RULE_COUNT; n++)
            names[n] = rule_row((enum rule)n)->name;
    else if (node->key == FILTER_VERDICT)
        for (; n < METRIC_VERDICTS; n++)
            names[n] = verdict_label((enum verdict)n);
    else
        for (; n < SIGNAL_COUNT; n++)
            names[n] = signal_label((enum signal)n);
    for (size_t i = 0; i < n; i++)
        if (bytes_equal(node->pattern, bytes_str(names[i])))
            return true;
    return fail_unknown(reader, at, what[node->key], node->pattern, names, n);
}

static bool
read_amount(struct reader *reader, size_t at, struct filter_node *node)
{
    char word[WORD_BYTES];
    double number = -1;
    bool is_number = filter_number(node->pattern, &number) && number >= 0 && number < 1e15 &&
                     number == (double)(uint64_t)number;
    snprintf(word, sizeof(word), "%.*s", BYTES_ARG(node->pattern));
    bool is_whole = node->pattern.n < sizeof(word);
    if (keys[node->key].kind == VALUE_TIME) {
        if (is_whole && conf_parse_duration(word, &node->number))
            return true;
        return fail_plain(reader, at, "expected a time with a unit, as 200ms, 5m or 1h");
    }
    if (is_number)
        node->number = (uint64_t)number;
    else if (keys[node->key].kind == VALUE_NUMBER)
        return fail_plain(reader, at, "expected a number");
    else if (!is_whole || !conf_parse_size(word, &node->number))
        return fail_plain(reader, at, "expected a number of bytes, as 4096 or 64KiB");
    return true;
}

static bool
read_meaning(struct reader *reader, size_t at, struct filter_node *node)
{
    switch (keys[node->key].kind) {
    case VALUE_TEXT:
    default:
        if (node->key == FILTER_METHOD && bytes_starts(node->pattern, BYTES("/")))
            node->pattern = bytes_of(node->pattern.p + 1, node->pattern.n - 1);
        return check_name(reader, at, node);
    case VALUE_NUMBER:
    case VALUE_SIZE:
    case VALUE_TIME:
        return read_amount(reader, at, node);
    case VALUE_TRUTH:
        node->number = bytes_equal(node->pattern, BYTES("true"));
        if (node->number == 0 && !bytes_equal(node->pattern, BYTES("false")))
            return fail_plain(reader, at, "expected true or false");
        return true;
    case VALUE_TAG:
        if (node->op == FILTER_EQUAL || node->op == FILTER_CONTAINS ||
            filter_number(node->pattern, &node->real))
            return true;
        return fail_plain(reader, at, "expected a number; text is compared with =, != or ~");
    }
}

static bool
read_comparison(struct reader *reader, uint32_t *out)
{
    size_t at;
    if (!new_node(reader, FILTER_COMPARE, 0, 0, out))
        return false;
    struct filter_node *node = &reader->filter->nodes[*out];
    if (!read_key(reader, node))
        return false;
    skip_blanks(reader);
    size_t at_operator = reader->at;
    if (!read_operator(reader, node) || !check_operator(reader, at_operator, node) ||
        !read_value(reader, node, &node->pattern, &at))
        return false;
    if (node->key == FILTER_TAG) {
        size_t begin = reader->filter->n_text;
        for (size_t i = 0; i < node->tag.n; i++)
            keep(reader->filter, node->tag.p[i]);
        node->tag = bytes_of(reader->filter->text + begin, node->tag.n);
    }
    return read_meaning(reader, at, node);
}

static bool read_or(struct reader *, uint32_t *out);

static bool
read_group(struct reader *reader, uint32_t *out)
{
    size_t begin = reader->at++;
    if (!read_or(reader, out))
        return false;
    skip_blanks(reader);
    if (peek(reader) != ')')
        return reader->at < reader->text.n
                   ? fail_plain(reader, reader->at, "expected \"and\", \"or\" or \")\"")
                   : fail_plain(reader, begin, "this parenthesis is not closed");
    reader->at++;
    return true;
}

static bool
read_unary(struct reader *reader, uint32_t *out)
{
    bool is_read;
    uint32_t left;
    if (reader->depth == FILTER_MAX_DEPTH)
        return fail_plain(reader, reader->at, "too deep: at most 16 parentheses and nots");
    reader->depth++;
    if (take_keyword(reader, "not"))
        is_read = read_unary(reader, &left) && new_node(reader, FILTER_NOT, left, 0, out);
    else if (peek(reader) == '(')
        is_read = read_group(reader, out);
    else
        is_read = read_comparison(reader, out);
    reader->depth--;
    return is_read;
}

/* Whether something that begins a unary follows. */
static bool
has_more(struct reader *reader)
{
    skip_blanks(reader);
    struct bytes word = look_word(reader);
    bool is_word = word.n > 0 && !bytes_equal(word, BYTES("or"));
    return is_word || peek(reader) == '(' || is_operator(peek(reader)) || peek(reader) == '"';
}

static bool
read_and(struct reader *reader, uint32_t *out)
{
    uint32_t right;
    bool is_read = read_unary(reader, out);
    while (is_read && (take_keyword(reader, "and") || has_more(reader)))
        is_read = read_unary(reader, &right) && new_node(reader, FILTER_AND, *out, right, out);
    return is_read;
}

static bool
read_or(struct reader *reader, uint32_t *out)
{
    uint32_t right;
    bool is_read = read_and(reader, out);
    while (is_read && take_keyword(reader, "or"))
        is_read = read_and(reader, &right) && new_node(reader, FILTER_OR, *out, right, out);
    return is_read;
}

bool
filter_parse(struct bytes expression, struct filter **out, struct filter_error *error)
{
    struct reader reader = {.text = expression, .error = error};
    *error = (struct filter_error){.column = 1};
    *out = NULL;
    if (expression.n > FILTER_MAX_BYTES)
        return fail_plain(&reader, 0, "too long: at most 1000 bytes");
    reader.filter = mem_new(struct filter);
    bool is_read = read_or(&reader, &reader.filter->root);
    skip_blanks(&reader);
    if (is_read && reader.at < expression.n)
        is_read = fail_plain(&reader, reader.at, "this parenthesis was not opened");
    if (!is_read)
        filter_free(&reader.filter);
    *out = reader.filter;
    return is_read;
}
