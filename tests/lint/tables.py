"""Holds the tables of server/tables/ to the code and tests made from them."""
# SPDX-License-Identifier: Apache-2.0
# A row that nothing uses is a promise nobody keeps: each rule of scope SEGMENT or SPAN has its file
# and its test, each metric is moved, each setting is read, each error is raised, numbers and
# names are unique.
import re

from tree import ROOT, Report, code_of, files, name, table

ACTION_LETTERS = {"OBSERVE": "O", "TAG": "T", "REPAIR": "R", "QUARANTINE": "Q", "DROP": "D"}


def unquote(text):
    return text.strip().strip('"')


def code_by_path(*patterns):
    return {name(p): code_of(p.read_text()) for p in files(*patterns)}


def check_unique(report, where, rows, column, what):
    seen = {}
    for line, row in rows:
        other = seen.setdefault(row[column], line)
        report.check(other == line, f"{where}:{line}", f"{what} {row[column]} stands in line {other} too")


def check_rules(report):
    where = "server/tables/rules.h"
    rows = table(where, "RULE")
    report.check(len(rows) > 10, where, "rows not found")
    check_unique(report, where, rows, 0, "token")
    check_unique(report, where, rows, 1, "name")
    tokens = set()
    for line, row in rows:
        token, title, _, scope, action, allowed = row[:6]
        place = f"{where}:{line}"
        tokens.add(token)
        report.check(unquote(title) == token.replace("_", "-"), place, f"{title} is not {token} with dashes")
        report.check(ACTION_LETTERS.get(action, "?") in unquote(allowed), place,
                     f"the default {action} is not among the allowed {allowed}")
        if scope in ("SEGMENT", "SPAN"):
            check_rule_files(report, place, token)
        else:
            tested = files(f"tests/unit/**/*{token}*.c") or is_tested(title)
            report.check(tested, place, f"no test names {title}")
    for path in files("server/integrity/rules/*.c"):
        report.check(path.stem.removeprefix("rule_") in tokens, name(path), "no row in tables/rules.h")


def check_rule_files(report, place, token):
    source = ROOT / f"server/integrity/rules/rule_{token}.c"
    if report.check(source.is_file(), place, f"no file {name(source)}"):
        found = re.search(rf"^rule_{token}\(", source.read_text(), re.M)
        report.check(found, name(source), f"no function rule_{token}")
    test = ROOT / f"tests/unit/integrity/test_rule_{token}.c"
    report.check(test.is_file(), place, f"no test {name(test)}")


def is_tested(title):
    word = unquote(title)
    enum = "RULE_" + word.replace("-", "_")
    return any(word in p.read_text() or enum in p.read_text()
               for p in files("tests/unit/**/test_*.c", "tests/system/test_*.py"))


def check_metrics(report):
    where = "server/tables/metrics.h"
    rows = table(where, "METRIC")
    report.check(len(rows) > 10, where, "rows not found")
    check_unique(report, where, rows, 0, "token")
    check_unique(report, where, rows, 1, "name")
    code = {p: c for p, c in code_by_path("server/*/*.c", "server/*/*.h").items()
            if not p.startswith("server/base/")}
    everything = "\n".join(code.values())
    for line, row in rows:
        used = re.search(rf"\bM(?:ETRIC)?_{row[0]}\b", everything)
        report.check(used, f"{where}:{line}", f"nothing moves {unquote(row[1])}")
        ends_total = unquote(row[1]).endswith("_total")
        report.check(ends_total == (row[2] == "COUNTER"), f"{where}:{line}",
                     "counters end in _total, others do not")
    check_label_values(report, everything)
    check_instance_metrics(report, where, {row[1] for _, row in rows}, code)


def check_label_values(report, everything):
    """A label whose value nothing counts says 0 for ever."""
    where = "server/base/metric.h"
    lines = re.findall(r"^enum \{ (\w+(?:, \w+)+) \};", (ROOT / where).read_text(), re.M)
    report.check(len(lines) > 5, where, "values of labels not found")
    for value in ", ".join(lines).split(", "):
        report.check(re.search(rf"\b{value}\b", everything), where, f"nothing counts {value}")


def check_instance_metrics(report, where, other_names, code):
    """Those that come from the registry of instances: one file shows them, whole."""
    rows = table(where, "INSTANCE_METRIC")
    report.check(len(rows) > 3, where, "rows of INSTANCE_METRICS not found")
    check_unique(report, where, rows, 1, "name")
    shown = code["server/admin/expose_instances.c"]
    report.check("INSTANCE_METRICS(" in shown, where, "nothing shows INSTANCE_METRICS")
    for line, row in rows:
        report.check(row[1] not in other_names, f"{where}:{line}", f"{row[1]} is a METRIC too")
        report.check(re.search(rf"\bINSTANCE_METRIC_{row[0]}\b", shown), f"{where}:{line}",
                     f"nothing fills {unquote(row[1])}")
        report.check(unquote(row[1]).endswith("_total") == (row[2] == "COUNTER"), f"{where}:{line}",
                     "counters end in _total, others do not")


def check_methods(report):
    where = "server/tables/methods.h"
    rows = table(where, "METHOD")
    report.check(len(rows) > 30, where, "rows not found")
    for column, what in ((0, "number"), (1, "token"), (2, "path")):
        check_unique(report, where, rows, column, what)
    tokens = {row[1] for _, row in rows}
    aliases = table(where, "ALIAS")
    check_unique(report, where, aliases, 0, "path")
    for line, row in aliases:
        report.check(row[1] in tokens, f"{where}:{line}", f"no method {row[1]}")
    described = {row[0] for _, row in message_rows(where)}
    for line, row in rows:
        report.check(row[6] in described, f"{where}:{line}", f"{row[6]} is not in MESSAGES")


def message_rows(where):
    text = (ROOT / where).read_text()
    return [(0, [m]) for m in re.findall(r"\bMESSAGE\((\w+)\)", text)]


def check_errors(report):
    where = "server/tables/errors.h"
    rows = table(where, "E")
    report.check(len(rows) > 20, where, "rows not found")
    check_unique(report, where, rows, 0, "token")
    check_unique(report, where, rows, 1, "code")
    everything = "\n".join(code_by_path("server/*/*.c").values())
    for line, row in rows:
        used = re.search(rf"\bERR_{row[0]}\b", everything)
        report.check(used, f"{where}:{line}", f"nothing raises ERR_{row[0]}")


def check_options(report):
    where = "server/tables/options.h"
    rows = table(where, "OPTION")
    report.check(len(rows) > 50, where, "rows not found")
    seen = {}
    code = {p: c for p, c in code_by_path("server/*/*.c").items() if not p.startswith("server/conf/")}
    everything = "\n".join(code.values())
    for line, row in rows:
        path = row[0] + row[1]
        other = seen.setdefault(path, line)
        report.check(other == line, f"{where}:{line}", f"{path} stands in line {other} too")
        if path == "version":
            continue
        used = re.search(rf"(?:\.|->){row[1]}(?:_ms|_bytes|_share|_percent|_ratio|_s)?\b", everything)
        report.check(used, f"{where}:{line}", f"nothing reads {path}")


def main():
    report = Report()
    check_rules(report)
    check_metrics(report)
    check_methods(report)
    check_errors(report)
    check_options(report)
    report.end()


main()
