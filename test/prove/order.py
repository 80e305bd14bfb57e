"""The order in which a program makes things durable, from what strace saw.

A crash of the machine keeps what was synced and, of the rest, anything or
nothing.  So, of everything below the roots of NTT_HOME:

  name     no file gets its final name before its bytes were synced, and none
           is written to under its final name
  commit   when the catalogue is told that something is done, every byte and
           every name there was is synced
  remove   a source goes only after the archive was synced, read back in full
           since, named, that name synced, and the catalogue told
  replace  no name in the tree of links is missing for a moment
  exit     at exit 0, or 3, nothing is unsynced

An image and its map are written under their names, by ddrescue and for days;
what ddrescue said is a log.
"""
import os
import re

CALLS = ("openat,openat2,open,creat,write,pwrite64,writev,pwritev,sendfile,"
         "copy_file_range,ftruncate,fallocate,fsync,fdatasync,syncfs,sync,"
         "rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,"
         "mkdirat,unlink,unlinkat,read,pread64,readv,preadv,sendto,"
         "clone,clone3,fork,vfork,exit_group")
ROOTS = ("by-hash", "archived", "raw", "archives", "img", "reports", "out")
LINE = re.compile(r"(\d+) +([a-z0-9_]+)\((.*)\) += (-?\d+|\?)(.*)$", re.S)
UNFINISHED = re.compile(r"(\d+) +([a-z0-9_]+)\((.*) <unfinished \.\.\.>$", re.S)
RESUMED = re.compile(r"(\d+) +<\.\.\. ([a-z0-9_]+) resumed>(.*)$", re.S)
TEMPORARY = re.compile(r"\A\.ntt\.|\A\..*\.tmp\Z|\.partial\Z|\A\d+\.\d+\Z|"
                       r"\A#\d+\Z")
TOLD = re.compile(r"SET status = r\.status|INTO blobs|copy_done = |"
                  r"archived_at = ")


def strace(log):
    return ["strace", "-f", "-y", "-qq", "-s", "65536", "-o", log,
            "-e", "trace=" + CALLS]


def arguments(text):
    """Of a call, as strace writes them: strings decoded, descriptors as
    (number, path)."""
    out, i = [], 0
    while i < len(text):
        if text[i] in ", ":
            i += 1
        elif text[i] == '"':
            m = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?', re.S).match(text, i)
            out.append(decode(m[1]))
            i = m.end()
        else:
            m = re.compile(r"(-?\d+|AT_FDCWD)<((?:[^>\\]|\\.)*)>(\(deleted\))?"
                           ).match(text, i)
            if m:
                out.append((m[1], decode(m[2]) + (m[3] or "")))
                i = m.end()
                continue
            depth, j = 0, i
            while j < len(text) and (depth or text[j] != ","):
                if text[j] == '"':
                    j = re.compile(r'"((?:[^"\\]|\\.)*)"', re.S).match(
                        text, j).end()
                    continue
                depth += (text[j] in "{[(") - (text[j] in "}])")
                j += 1
            out.append(text[i:j])
            i = j
    return out


def decode(s):
    return re.sub(r"\\([0-7]{1,3}|x[0-9a-f]{2}|.)", lambda m: {
        "n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}.get(
            m[1], m[1] if not re.match(r"[0-7x]", m[1]) else
            chr(int(m[1][1:], 16) if m[1][0] == "x" else int(m[1], 8))),
        s, flags=re.S)


def calls(log):
    """(pid, name, arguments, result), in the order of their ends."""
    waiting = {}
    with open(log, encoding="latin-1") as f:
        for line in f:
            line = line.rstrip("\n")
            m = UNFINISHED.match(line)
            if m:
                waiting[m[1]] = m[3]
                continue
            m = RESUMED.match(line)
            if m:
                line = "%s %s(%s%s" % (m[1], m[2],
                                       waiting.pop(m[1], ""), m[3])
            m = LINE.match(line)
            if m and m[4] != "?":
                yield m[1], m[2], m[3], int(m[4]), m[5]
            elif " exit_group(" in line:
                m = re.match(r"(\d+) +exit_group\((\d+)", line)
                yield m[1], "exit_group", m[2], 0, ""


class Model:
    def __init__(self, home):
        self.home = home
        self.dirty = {}         # file with unsynced bytes -> who wrote them
        self.names = {}         # file with an unsynced name -> who gave it
        self.process = {}       # thread -> process
        self.said = {}          # process -> SQL since its last commit
        self.by = None          # whose call it is
        self.final = {}         # unnamed file -> its name
        self.got = {}           # archive -> bytes read since its last write
        self.told = False
        self.wrong = []
        self.first = None

    def bad(self, what, *args):
        self.wrong.append(what % args)

    def ours(self, path):
        if path == self.home:
            return True
        if path.endswith("-ddrescue.log"):
            return False
        return any(path.startswith("%s/%s/" % (self.home, r)) or
                   path == "%s/%s" % (self.home, r) for r in ROOTS)

    @staticmethod
    def is_temporary(path):
        return bool(TEMPORARY.search(os.path.basename(path.replace(
            " (deleted)", "").replace("(deleted)", "")))) or \
            "deleted)" in path or "/.tmp/" in path or ".partial/" in path

    def path(self, directory, name):
        if name.startswith("/"):
            return os.path.normpath(name)
        return os.path.normpath(os.path.join(directory[1], name))

    def unnamed(self, path):
        return self.home in path or path.startswith("/#") or \
            "/#" in path

    def written(self, path):
        unnamed = "(deleted)" in path
        if not unnamed and not self.ours(path):
            return
        if path in self.final:
            self.bad("%s is written to after it became %s", path,
                     self.final[path])
        elif not unnamed and not self.is_temporary(path) and \
                not path.startswith(self.home + "/out/"):
            self.bad("%s is written to under its final name", path)
        self.dirty[path] = self.by
        self.got[path] = 0

    def named(self, source, target, how):
        if not self.ours(target):
            return
        if source in self.dirty and not self.is_temporary(target):
            self.bad("%s is %s before its bytes were synced", target, how)
        self.names[target] = self.by
        if "(deleted)" in source:
            self.final[source] = target
            if source in self.dirty:
                self.dirty[target] = self.by

    def moved(self, source, target):
        self.named(source, target, "renamed")
        for table in (self.got, ):
            if source in table:
                table[target] = table.pop(source)
        for p in [p for p in self.dirty if p.startswith(source + "/")]:
            self.bad("%s is renamed before %s was synced", source, p)
        if source in self.dirty:
            self.dirty[target] = self.dirty.pop(source)
        self.names.pop(source, None)

    def unsynced(self, by=None):
        """What still exists when all is over, of one process or of all."""
        return ["the bytes of " + p for p, who in self.dirty.items()
                if by in (None, who) and self.ours(p) and
                os.path.lexists(p)] + \
            ["the name " + p for p, who in self.names.items()
             if by in (None, who) and os.path.lexists(p)]

    def removed(self, path):
        self.dirty.pop(path, None)
        self.names.pop(path, None)
        if self.is_temporary(path):
            return
        place = os.path.relpath(path, self.home).split("/")[0]
        if place == "archived":
            self.bad("%s is removed, not replaced", path)
        if place not in ("img", "raw"):
            return
        left = [u for u in self.unsynced() if "/archives" in u]
        if left:
            self.bad("%s is removed before %s", path, left[0])
        if not self.told:
            self.bad("%s is removed before the catalogue knows its archive",
                     path)
        for archive, got in self.got.items():
            if "/archives/" in archive and os.path.exists(archive) and \
                    got < os.path.getsize(archive):
                self.bad("%s is removed when %d of %d bytes of %s were read "
                         "back", path, got, os.path.getsize(archive), archive)

    def tell(self, text):
        said = self.said.get(self.by, "") + text
        if "BEGIN" in said and "COMMIT" not in text:
            self.said[self.by] = said
            return
        self.said[self.by] = ""
        if not TOLD.search(said):
            return
        if "archived_at = " in said:
            self.told = True
        left = [u for u in self.unsynced(self.by)
                if "/raw" not in u]
        if left:
            self.bad("the catalogue is told before %s is synced", left[0])

    def call(self, pid, name, text, result):
        a = arguments(text)
        self.by = self.process.get(pid, pid)
        if name in ("clone", "clone3", "fork", "vfork"):
            if result > 0:
                self.process[str(result)] = self.by if "CLONE_THREAD" in \
                    text else str(result)
            return
        if name == "exit_group":
            if pid == self.first and text in ("0", "3"):
                for u in self.unsynced():
                    self.bad("exit %s and %s is not synced", text, u)
            return
        if result < 0:
            return
        if name in ("open", "openat", "openat2", "creat"):
            if name in ("open", "creat"):
                path = os.path.normpath(a[0])
            else:
                path = self.path(a[0], a[1])
            if "O_TMPFILE" in text:
                return
            if "O_CREAT" in text and self.ours(path):
                self.names[path] = self.by
        elif name in ("write", "pwrite64", "writev", "pwritev", "ftruncate",
                      "fallocate"):
            self.written(a[0][1])
        elif name == "sendfile":
            self.written(a[0][1])
        elif name == "copy_file_range":
            self.written(a[2][1])
        elif name in ("read", "pread64", "readv", "preadv"):
            if a[0][1] in self.got and a[0][1] not in self.dirty:
                self.got[a[0][1]] += result
        elif name in ("fsync", "fdatasync"):
            self.dirty.pop(a[0][1], None)
            self.dirty.pop(self.final.get(a[0][1]), None)
            for path in [p for p in self.names
                         if os.path.dirname(p) == a[0][1]]:
                del self.names[path]
        elif name in ("syncfs", "sync"):
            self.dirty.clear()
            self.names.clear()
        elif name in ("rename", "renameat", "renameat2"):
            if name == "rename":
                a = [("", "/"), a[0], ("", "/"), a[1]]
            self.moved(self.path(a[0], a[1]), self.path(a[2], a[3]))
        elif name in ("link", "linkat"):
            if name == "link":
                a = [("", "/"), a[0], ("", "/"), a[1]]
            source = self.path(a[0], a[1])
            m = re.match(r"/proc/self/fd/(\d+)$", source)
            if m:
                source = self.descriptors.get((pid, m[1]), source)
            self.named(source, self.path(a[2], a[3]), "linked")
        elif name in ("symlink", "symlinkat"):
            path = self.path(a[1], a[2]) if name == "symlinkat" else a[1]
            if self.ours(path):
                self.names[path] = self.by
        elif name in ("mkdir", "mkdirat"):
            path = self.path(a[0], a[1]) if name == "mkdirat" else \
                os.path.normpath(a[0])
            if self.ours(path):
                self.names[path] = self.by
        elif name in ("unlink", "unlinkat"):
            path = self.path(a[0], a[1]) if name == "unlinkat" else \
                os.path.normpath(a[0])
            if self.ours(path):
                self.removed(path)
        elif name == "sendto":
            self.tell(a[1])


def check(log, w):
    m = Model(w.home)
    m.descriptors = {}
    for pid, name, text, result, tail in calls(log):
        if m.first is None:
            m.first = pid
        # what a descriptor stands for, to know what /proc/self/fd/N is
        for found in re.finditer(r"(\d+)<((?:[^>\\]|\\.)*)>(\(deleted\))?",
                                 text.split('"')[0]):
            m.descriptors[pid, found[1]] = decode(found[2]) + \
                (found[3] or "")
        opened = re.match(r"<((?:[^>\\]|\\.)*)>(\(deleted\))?", tail)
        if opened:
            m.descriptors[pid, str(result)] = decode(opened[1]) + \
                (opened[2] or "")
            m.final.pop(m.descriptors[pid, str(result)], None)
        m.call(pid, name, text, result)
    return m.wrong
