#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the tree that a machine can check, as TAP.

A rule is a function from (path, text) of one file to the complaint, or None.
Each comes with a bad example that it must catch, tried first.
"""
import collections
import fnmatch
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
# Where a folder may include from, besides itself. Imports go one way.
MAY_INCLUDE = {
    "lib": {"schema"},
    "agent": {"lib", "schema"},
    "policyd": {"lib", "schema"},
    "cellsd": {"lib", "schema"},
    "cellsctl": {"lib", "schema"},
    # It has cellsd's own way to the module.
    "devnsctl": {"lib", "schema", "cellsd"},
    "mgmt-server": {"lib", "schema"},
    "cellsadm": {"lib", "schema"},
    "images": {"lib", "schema"},
}
MAIN_MAX = 100
FILE_MAX = 700
FOLDER_MAX = 30
RULES = []


def rule(name, bad_path, bad_text):
    def add(check):
        RULES.append((name, check, bad_path, bad_text))
        return check
    return add


def is_c(path):
    return path.endswith((".c", ".h"))


@rule("each source file names its license in its first lines", "lib/x.c", "int x;\n")
def spdx(path, text):
    if (is_c(path) or path.endswith((".sh", ".py", ".mk"))) and "SPDX-License-Identifier:" not in text[:300]:
        return "no SPDX line"


@rule("includes go one way: schema <- lib <- programs", "lib/x.c", '#include "policyd/store/store.h"\n')
def includes(path, text):
    folder = path.split("/")[0]
    if not is_c(path) or folder not in MAY_INCLUDE:
        return None
    for target in re.findall(r'^#include "([^"]+)"', text, re.M):
        first = target.split("/")[0]
        if "/" in target and first != folder and first not in MAY_INCLUDE[folder]:
            return f"includes {target}"


@rule("goto only in kernel/", "lib/x.c", "\tgoto out;\n")
def no_goto(path, text):
    if path.endswith(".c") and not path.startswith("kernel/") and re.search(r"^\s+goto ", text, re.M):
        return "has a goto"


@rule("no file is called utils", "lib/utils.c", "")
def no_utils(path, text):
    if is_c(path) and re.match(r"(utils?|helpers?|misc|common)\.[ch]$", path.split("/")[-1]):
        return "a helper belongs to the noun it is about"


@rule("main.c stays under a hundred lines", "agent/main.c", "\n" * 101)
def short_main(path, text):
    if path.endswith("/main.c") and text.count("\n") > MAIN_MAX:
        return f"{text.count(chr(10))} lines"


@rule("a source file is one noun of some hundred lines", "lib/x.c", "\n" * 701)
def short_file(path, text):
    if is_c(path) and not path.startswith("tests/") and text.count("\n") > FILE_MAX:
        return f"{text.count(chr(10))} lines"


@rule("nothing is left to do later", "lib/x.c", "/* TO" "DO: later */\n")
def nothing_unfinished(path, text):
    if (is_c(path) or path.endswith(".py")) and re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", text):
        return "holds a mark of unfinished work"


@rule("no thread is started in user space", "lib/x.c", "pthread_create(&t, NULL, f, NULL);\n")
def no_threads(path, text):
    if is_c(path) and not path.startswith(("kernel/", "tests/")) and "pthread_create" in text:
        return "starts a thread"


@rule("each foreign library has one door", "policyd/store/store.c", "#include <libxml/parser.h>\n")
def one_door(path, text):
    doors = {
        r"<libxml/": {"lib/document/xml.c", "lib/document/xml.h", "cellsadm/documents/xml_writer.c"},
        r"<mbedtls/": {f"lib/crypto/{n}.c" for n in ("hash", "hpke", "key", "key_file", "password_crypto", "x509")} | {"lib/encoding.c"},
        r"<openssl/": {"mgmt-server/listener/client_cert.c", "mgmt-server/listener/client_cert.h"},
        r"<argon2\.h>": {"mgmt-server/store/password_hash.c"},
        r"<selinux/": {"cellsd/container/selinux.c"},
        r"<seccomp\.h>": {"cellsd/container/syscall_groups.c", "cellsd/container/seccomp.c"},
        r"<netlink/route/": {"cellsd/net/veth.c"},
        r"<nftables/": {"cellsd/net/firewall.c"},
        r"<netlink/genl/": {"cellsd/device/devns_link.c"},
        r"<curl/": {"lib/http_handle.h"},
        r"<libwebsockets\.h>": {"agent/transport.c", "agent/lws_error.c"} |
                               {f"mgmt-server/listener/{n}" for n in ("connection_limit.c", "listener_context.h", "peer.c")},
        r"<qrencode\.h>": {"cellsadm/ui/qr.c"},
        r"<archive(_entry)?\.h>": {"images/tree/unpack.c"},
    }
    if not is_c(path) or path.startswith(("tests/", "kernel/")):
        return None
    for pattern, allowed in doors.items():
        if re.search("#include " + pattern, text) and path not in allowed:
            return f"includes {pattern} outside {', '.join(sorted(allowed)) or 'nothing'}"


# Where each program names sd-bus, as the beginning of a path; the others do not.
BUS_DOORS = {
    "lib": "lib/bus",
    "agent": "agent/policyd_client.c",
    "cellsctl": "cellsctl/daemon_client.c",
    "policyd": "policyd/bus/",
    "cellsd": "cellsd/bus/",
}


@rule("each program names sd-bus in one place", "agent/agent.c", '#include "lib/bus.h"\n')
def one_bus(path, text):
    program = path.split("/")[0]
    if not is_c(path) or program == "tests" or path.startswith(BUS_DOORS.get(program, "nowhere")):
        return None
    if m := re.search(r'<systemd/sd-bus\.h>|"lib/bus(_json)?\.h"|\bsd_bus_?\w*', text):
        return f"names {m[0]} outside {BUS_DOORS.get(program, 'any program that may')}"


@rule("text becomes JSON values in lib/json.c alone, in tests too", "tests/unit/test_x.c", "\tj = json_loads(text, 0, NULL);\n")
def one_json(path, text):
    if is_c(path) and path != "lib/json.c" and (m := re.search(r"\bjson_(load|dump)\w*", text)):
        return f"names {m[0]}"


@rule("lib/json.h alone includes jansson.h", "agent/inventory.h", "#include <jansson.h>\n")
def one_json_include(path, text):
    if is_c(path) and path != "lib/json.h" and "<jansson.h>" in text:
        return "includes jansson.h"


@rule("lib/db.c alone knows sqlite3, in tests too", "policyd/store/store.c", "\tsqlite3_reset(st);\n")
def one_database(path, text):
    if is_c(path) and path != "lib/db.c" and (m := re.search(r"<sqlite3\.h>|\b(sqlite3_|SQLITE_)\w+", text)):
        return f"names {m[0]}"


@rule("lib/db.c alone includes sqlite3.h", "tests/unit/test_store.c", "#include <sqlite3.h>\n")
def one_database_include(path, text):
    return one_database(path, text)


@rule("an error in the middle of rows reaches the caller", "lib/x.c", """int f(void)
{
	while (db_next(row, &r, e)) {
		r = use(row, e);
	}
	return 0;
}
""")
def rows_to_their_end(path, text):
    """Each loop over rows has its result in r, and r is read after it."""
    if not path.endswith(".c") or path.startswith("tests/") or path == "lib/db.c":
        return None
    for m in re.finditer(r"^.*\bdb_next\(", text, re.M):
        function = text[m.start():].split("\n}\n")[0]
        first = function.split("\n")[0]
        indent = re.match(r"\t*", first)[0]
        if "!db_next(row, &r, e)" in first:
            after = function
        elif not re.match(r"while \((.* && )?db_next\(row, &r, e\)\)( \{)?$", first.strip()):
            return f"not a loop over rows as in lib/db.h: {first.strip()}"
        else:
            after = re.split(rf"\n{indent}\}}\n" if first.endswith("{") else r";\n", function, maxsplit=1)[-1]
        if not re.search(r"\br\b", after):
            return f"does not read r after: {first.strip()}"


@rule("a query is ended by its scope, on each way out", "lib/x.c", "\tstruct db_row *row = NULL;\n")
def rows_with_a_scope(path, text):
    if path.endswith(".c") and not path.startswith("tests/") and path != "lib/db.c" and (m := re.search(r"^\t+struct db_row \*\w+( = \w+)?;", text, re.M)):
        return f"without AUTO(db_done): {m[0].strip()}"


def stems(files):
    """The folder is the namespace: a stem is unique within its program and lib/."""
    where = collections.defaultdict(set)
    for path in files:
        if path.endswith(".c") and not path.startswith("tests/") and not path.endswith("/main.c"):
            where[path.split("/")[0], pathlib.PurePath(path).stem].add(path)
    for (name, stem), paths in where.items():
        if name != "lib":
            paths |= where.get(("lib", stem), set())
    return [f"{' and '.join(sorted(v))} share a stem" for v in where.values() if len(v) > 1]


def full_folders(files):
    """A folder is read at a glance: not more sources than that."""
    count = collections.Counter(p.rsplit("/", 1)[0] for p in files if p.endswith(".c") and not p.startswith("tests/"))
    return [f"{folder} has {n} sources, at most {FOLDER_MAX} are" for folder, n in count.items() if n > FOLDER_MAX]


def lost_paths(files, texts):
    """A document names files that are there: paths from the top, folders, patterns, and C files by name alone."""
    tops, names = {f.split("/")[0] for f in files}, {pathlib.PurePath(f).name for f in files}

    def is_there(word):
        if "/" not in word:
            return word in names
        return any(fnmatch.fnmatch(f, word.rstrip("/") + "*") for f in files)

    found = [(doc, m) for doc, text in texts.items() for m in re.findall(r"`([\w.*/-]+)`", text)
             if m.split("/")[0] in tops and "/" in m or re.fullmatch(r"\w+\.[ch]", m)]
    return [f"{doc} names {m}" for doc, m in found if not is_there(m)]


def tracked_files():
    """The text of each tracked file by its path; none outside of a checkout."""
    if not (TOP / ".git").exists():
        return {}
    listed = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=True).stdout.split("\n")
    return {f: (TOP / f).read_text(errors="replace") for f in listed if f and (TOP / f).is_file()}


def print_tap(results):
    """Prints (name, complaints) of each rule; returns the exit code."""
    for n, (name, complaints) in enumerate(results, 1):
        print(f"{'not ok' if complaints else 'ok'} {n} - {name}")
        for c in complaints:
            print(f"# {c}")
    print(f"1..{len(results)}")
    return 1 if any(complaints for _, complaints in results) else 0


def main():
    files = tracked_files()
    if not files:
        print("1..0 # SKIP not a git checkout")
        return 0
    results = [("a stem is unique within its program and lib/",
                stems(files) if stems(["a/x.c", "lib/x.c"]) and not stems(["a/x.c", "b/x.c"]) else ["missed"])]
    results.append((f"a folder has at most {FOLDER_MAX} sources",
                    full_folders(files) if full_folders([f"a/{i}.c" for i in range(FOLDER_MAX + 1)]) else ["missed"]))
    documents = {p: t for p, t in files.items() if p.endswith(".md")}
    results.append(("a document names files that are there",
                    lost_paths(files, documents) if lost_paths({"a/x.c"}, {"y.md": "see `a/z.c`"}) else ["missed"]))
    for name, check, bad_path, bad_text in RULES:
        complaints = [f"{p}: {c}" for p, t in files.items() if (c := check(p, t))]
        if not check(bad_path, bad_text):
            complaints.append("the rule did not catch its own bad example")
        results.append((name, complaints))
    return print_tap(results)


if __name__ == "__main__":
    sys.exit(main())
