#!/usr/bin/python3
"""check.py [--final] [--source MEDIUM=DIR]... [--no-content]

Reads store, tree of links, catalogue, lists, archives, mounts, loops, locks
and processes, and prints a line for each thing that is not as it must be:
"NAME: what".  Exit status: 0 nothing, 1 something, 2 it could not look.

It shares no code with the programs it checks: BLAKE3 is b3sum's, the
catalogue is read by psql, zstd and tar are Debian's and Python's.  The
environment says where everything is, as it does for the programs.

What must hold at every moment, whatever was killed, is checked always; what
must hold when all work is finished, with --final:

  always  store-name store-mode store-bytes      a blob is what its name says
          blob-file success-blob blob-size       rows have their files
          state path-inode path-twice            the catalogue is consistent
          copied-pending loaded range            so is the work left to do
          tree-link tree-lost tree-mode          links are the blobs
          list-damaged list-catalogue            a list has its paths in rows
          source-paths source-bytes              and so has the source
          archive-damaged archive-lost           sources are not lost
          loop-twice                             one loop a partition
  final   blob-row blob-links tree-dir           both directions
          temporary unfinished                   nothing is left to do
          archive-row mounted loop locked process session worker
"""
import argparse
import collections
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
import tempfile

DEFAULTS = {"IMAGE_ROOT": "img", "RAW_ROOT": "raw", "BYHASH_ROOT": "by-hash",
            "ARCHIVED_ROOT": "archived", "ARCHIVE_ROOT": "archives",
            "NTT_MOUNT_ROOT": "mnt", "NTT_LOG_DIR": "log",
            "NTT_RUN_DIR": "run"}
MANY_LINKS = 65000
BLOB = re.compile(rb"[0-9a-f]{64}\Z")
TEMPORARY = re.compile(rb"\.ntt\..*|\..*\.\d+\.tmp\Z|.*\.partial\Z")


class CannotLook(Exception):
    pass


def run(argv, data=None):
    done = subprocess.run(argv, input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise CannotLook("%s: %s" % (argv[0], done.stderr.decode(
            errors="replace").strip()))
    return done.stdout


def blake3_files(paths):
    """The BLAKE3 of each file; None for one that cannot be read."""
    sums = []
    for i in range(0, len(paths), 200):
        part = paths[i:i + 200]
        try:
            out = run([b"b3sum", b"--no-names", b"--"] + part)
            sums += out.decode().split("\n")[:-1]
        except CannotLook:
            for p in part:
                try:
                    sums.append(run([b"b3sum", b"--no-names", b"--",
                                     p]).decode().strip())
                except CannotLook:
                    sums.append(None)
    return sums


def blake3_strings(strings):
    """The BLAKE3 of each of these byte strings."""
    with tempfile.TemporaryDirectory() as d:
        paths = []
        for i, s in enumerate(strings):
            paths.append(os.path.join(d, str(i)).encode())
            with open(paths[-1], "wb") as f:
                f.write(s)
        return blake3_files(paths)


def signed(n):
    return n - (1 << 64) if n >= 1 << 63 else n


Inode = collections.namedtuple(
    "Inode", "nlink size mtime type status blob error copied claimed "
    "attempts drift")
Record = collections.namedtuple("Record", "type dev ino nlink size mtime path")


class Check:
    def __init__(self, final=False, sources=None, content=True, known=None):
        self.final = final
        self.sources = sources or {}
        self.content = content
        self.known = known if known is not None else {}  # stat -> BLAKE3
        self.found = []
        home = os.environ.get("NTT_HOME")
        self.dirs = {}
        for key, sub in DEFAULTS.items():
            value = os.environ.get(key)
            if value is None:
                if home is None:
                    raise CannotLook("neither %s nor NTT_HOME is set" % key)
                value = os.path.join(home, sub)
            self.dirs[key] = os.fsencode(value)
        self.url = os.environ.get("NTT_DB_URL")
        if not self.url:
            self.url = "postgresql://ntt@/copyjob?host=%s/pg" % home

    def bad(self, name, what, *args):
        args = tuple(os.fsdecode(a) if isinstance(a, bytes) else a
                     for a in args)
        line = what % args if args else what
        self.found.append("%s: %s" % (name, line.encode(
            "utf-8", "backslashreplace").decode().replace("\n", "\\n")))

    # ---- the catalogue

    def query(self, *statements):
        """Each statement's rows, of one snapshot."""
        mark = "-- next --"
        script = "\\set ON_ERROR_STOP 1\nBEGIN ISOLATION LEVEL REPEATABLE " \
            "READ READ ONLY;\n"
        for s in statements:
            script += "COPY (%s) TO STDOUT;\n\\echo '%s'\n" % (s, mark)
        out = run(["psql", "-XAtq", self.url], (script + "COMMIT;\n").encode())
        parts = out.decode().split(mark + "\n")
        return [[[None if v == "\\N" else v for v in row.split("\t")]
                 for row in part.split("\n") if row]
                for part in parts[:len(statements)]]

    def read_catalogue(self):
        (media, inodes, paths, blobs, ranges, workers, locks, sessions,
         loose) = self.query(
            "SELECT medium_hash, source_kind, "
            "encode(convert_to(source_path, 'UTF8'), 'hex'), "
            "encode(convert_to(image_path, 'UTF8'), 'hex'), "
            "enum_done IS NOT NULL, copy_done IS NOT NULL, "
            "archived_at IS NOT NULL, archive_path, health FROM medium",
            "SELECT medium_hash, dev, ino, nlink, size, mtime, fs_type, "
            "status, blobid, error_type, copied, claimed_by, attempts, "
            "EXISTS (SELECT FROM unnest(errors) e WHERE e ~ '^(drift|unstable):') "
            "FROM inode",
            "SELECT medium_hash, dev, ino, encode(path, 'hex'), "
            "exclude_reason IS NOT NULL FROM path",
            "SELECT blobid, size, n_hardlinks FROM blobs",
            "SELECT medium_hash, number, dev, first_ino, last_ino, worker, "
            "done FROM work_range",
            "SELECT id, medium_hash, pid FROM worker",
            "SELECT objid FROM pg_locks l JOIN pg_database d ON "
            "d.oid = l.database WHERE locktype = 'advisory' AND "
            "datname = current_database() AND "
            "classid::bigint = catalogue_worker_class()",
            "SELECT pid, application_name, state FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'",
            "SELECT relname FROM pg_class c WHERE relkind = 'r' AND "
            "relname ~ '^(inode|path)_p_' AND (NOT relispartition OR "
            "relnamespace = 'replacement'::regnamespace)")
        self.media = {}
        for m in media:
            self.media[m[0]] = dict(
                kind=m[1], source=bytes.fromhex(m[2]) if m[2] else None,
                image=bytes.fromhex(m[3]) if m[3] else None,
                loaded=m[4] == "t", copied=m[5] == "t",
                archived=m[6] == "t", archive=m[7], health=m[8])
        self.inodes = collections.defaultdict(dict)
        for i in inodes:
            self.inodes[i[0]][int(i[1]), int(i[2])] = Inode(
                int(i[3]), int(i[4]), int(i[5]), i[6], i[7], i[8], i[9],
                i[10] == "t", i[11], int(i[12]), i[13] == "t")
        self.paths = collections.defaultdict(dict)
        for p in paths:
            path = bytes.fromhex(p[3])
            if path in self.paths[p[0]]:
                self.bad("path-twice", "%s of %s", path, p[0])
            self.paths[p[0]][path] = (int(p[1]), int(p[2])), p[4] == "t"
        self.blobs = {b[0]: (int(b[1]), int(b[2])) for b in blobs}
        self.ranges = ranges
        self.workers = workers
        self.held = {lock[0] for lock in locks}
        self.sessions = sessions
        for name in loose:
            self.bad("loaded", "table %s is not attached", name[0])

    def check_states(self):
        for medium, inodes in self.inodes.items():
            named = collections.defaultdict(list)
            for path, (key, excluded) in self.paths[medium].items():
                named[key].append(excluded)
                if key not in inodes:
                    self.bad("path-inode", "path %s of %s has no inode",
                             path, medium)
            for key, i in inodes.items():
                if key not in named:
                    self.bad("path-inode", "inode %s of %s has no path",
                             str(key), medium)
                wrong = self.wrong_state(i, named.get(key, []))
                if wrong:
                    self.bad("state", "inode %s of %s %s", str(key), medium,
                             wrong)
            row = self.media.get(medium)
            if row is None or not row["loaded"]:
                self.bad("loaded", "%s has inodes and no enum_done", medium)
            elif row["copied"]:
                left = sum(i.status == "pending" for i in inodes.values())
                if left:
                    self.bad("copied-pending", "%s has copy_done and %d "
                             "pending", medium, left)
        for medium in set(self.paths) - set(self.inodes):
            if self.paths[medium]:
                self.bad("path-inode", "%s has paths and no inodes", medium)
        for medium, row in self.media.items():
            if row["loaded"] and not self.inodes.get(medium):
                self.bad("loaded", "%s has enum_done and no inodes", medium)
            if self.final and self.inodes.get(medium) and not row["copied"]:
                self.bad("unfinished", "%s is loaded and not copied", medium)

    @staticmethod
    def wrong_state(i, excluded):
        if i.copied != (i.status in ("success", "excluded", "non_file")):
            return "says copied = %s and is %s" % (i.copied, i.status)
        if i.blob is not None and i.status != "success":
            return "has a blob and is %s" % i.status
        if i.type in "fl" and i.status == "success" and i.blob is None:
            return "is success and has no blob"
        if i.type in "dbcps" and i.status not in ("non_file", "excluded"):
            return "is of type %s and %s" % (i.type, i.status)
        if i.type in "fl" and i.status == "non_file":
            return "is of type %s and non_file" % i.type
        if i.status.startswith("failed") and i.error is None:
            return "failed without a class"
        if i.status == "excluded" and not all(excluded):
            return "is excluded, and one of its paths is not"
        if i.attempts > 50:
            return "was tried %d times" % i.attempts
        return None

    def check_ranges(self):
        """What is pending is in a range that is not done."""
        media = {r[0] for r in self.ranges}
        for medium in media:
            pending = [k for k, i in self.inodes[medium].items()
                       if i.status == "pending"]
            todo = [(int(r[2]), int(r[3]), int(r[4])) for r in self.ranges
                    if r[0] == medium and r[6] == "f"]
            for dev, ino in pending:
                if not any(d == dev and a <= ino <= b for d, a, b in todo):
                    self.bad("range", "inode %d,%d of %s is pending and in "
                             "no open range", dev, ino, medium)
        # the row of a worker that is dead says nothing (see the schema)
        for r in self.ranges:
            if self.final and r[5] is not None and r[6] == "f":
                self.bad("worker", "range %s of %s is claimed by %s", r[1],
                         r[0], r[5])
        for w in self.workers:
            if self.final and w[0] in self.held:
                self.bad("worker", "row %s of %s, process %s, is there",
                         w[0], w[1], w[2])

    # ---- the store

    def read_store(self):
        root = self.dirs["BYHASH_ROOT"]
        self.files = {}     # blob -> stat
        if not os.path.isdir(root):
            return
        self.walk_store(root, b"")
        self.store_dev = os.stat(root).st_dev
        if self.content:
            self.check_bytes(root)

    def walk_store(self, root, below):
        depth = below.count(b"/") + bool(below)
        with os.scandir(os.path.join(root, below)) as entries:
            for e in entries:
                st = e.stat(follow_symlinks=False)
                rel = os.path.join(below, e.name)
                if rel == b".tmp" or rel.startswith(b".tmp/"):
                    if e.is_dir(follow_symlinks=False):
                        self.walk_store(root, rel)
                    elif self.final:
                        self.bad("temporary", "%s in the store", rel)
                elif stat.S_ISDIR(st.st_mode) and depth < 2 and \
                        re.fullmatch(rb"[0-9a-f]{2}", e.name):
                    self.check_mode(rel, st, 0o755)
                    self.walk_store(root, rel)
                elif rel in (b"lost+found", b".ntt-store", b".bad", b".trash"):
                    pass    # of the file system; whose store it is; what
                            # was replaced, and what nothing uses
                elif not stat.S_ISREG(st.st_mode) or depth != 2 or \
                        not BLOB.match(e.name) or rel.split(b"/")[:2] != \
                        [e.name[:2], e.name[2:4]]:
                    self.bad("store-name", "%s is no blob", rel)
                else:
                    self.check_mode(rel, st, 0o444)
                    self.files[e.name.decode()] = st

    def check_mode(self, rel, st, want):
        if stat.S_IMODE(st.st_mode) != want:
            self.bad("store-mode", "%s has mode %o", rel,
                     stat.S_IMODE(st.st_mode))

    def blob_path(self, blob):
        b = blob.encode()
        return os.path.join(self.dirs["BYHASH_ROOT"], b[:2], b[2:4], b)

    @staticmethod
    def identity(st):
        # not ctime, which every link changes
        return st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns

    def check_bytes(self, _root):
        todo = [b for b, st in self.files.items()
                if self.known.get(self.identity(st)) != b]
        for blob, got in zip(todo, blake3_files(
                [self.blob_path(b) for b in todo])):
            if got is None:
                self.bad("store-bytes", "%s cannot be read", blob)
            elif got != blob:
                self.bad("store-bytes", "%s holds %s", blob, got)
            else:
                self.known[self.identity(self.files[blob])] = blob

    def check_blobs(self):
        for medium, inodes in self.inodes.items():
            for key, i in inodes.items():
                if i.blob is None:
                    continue
                st = self.files.get(i.blob)
                if i.blob not in self.blobs:
                    self.bad("success-blob", "inode %s of %s: blob %s has no "
                             "row", str(key), medium, i.blob)
                elif st is None:
                    self.bad("success-blob", "inode %s of %s: blob %s is "
                             "not in the store", str(key), medium, i.blob)
                elif i.type == "f" and st.st_size != i.size and not i.drift:
                    self.bad("blob-size", "inode %s of %s has %d bytes, its "
                             "blob %d", str(key), medium, i.size, st.st_size)
        for blob, (size, links) in self.blobs.items():
            st = self.files.get(blob)
            if st is None:
                self.bad("blob-file", "%s has a row and no file", blob)
            elif st.st_size != size:
                self.bad("blob-size", "%s has %d bytes, its row says %d",
                         blob, st.st_size, size)
            elif self.final and st.st_nlink - 1 != links and \
                    st.st_nlink < MANY_LINKS:
                self.bad("blob-links", "%s has %d links, its row says %d",
                         blob, st.st_nlink - 1, links)
        for blob in self.files:
            if self.final and blob not in self.blobs:
                self.bad("blob-row", "%s has a file and no row", blob)

    # ---- the tree of links

    def read_tree(self):
        """medium -> path -> stat"""
        self.tree = {}
        root = self.dirs["ARCHIVED_ROOT"]
        if not root or not os.path.isdir(root):
            return
        for medium in os.listdir(root):
            if medium in (b"lost+found", b".ntt-store"):
                continue
            tree = self.tree[medium.decode()] = {}
            todo = [b""]
            while todo:
                below = todo.pop()
                here = os.path.join(root, medium, below)
                if len(here) > 3000:    # longer than the kernel takes
                    self.walk_deep(os.path.join(root, medium), below, tree)
                    continue
                with os.scandir(here) as entries:
                    for e in entries:
                        st = e.stat(follow_symlinks=False)
                        rel = os.path.join(below, e.name)
                        tree[rel] = st, os.readlink(e.path) if \
                            stat.S_ISLNK(st.st_mode) else None
                        if stat.S_ISDIR(st.st_mode):
                            todo.append(rel)

    @staticmethod
    def walk_deep(root, below, tree):
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        for part in below.split(b"/"):
            down = os.open(part, os.O_RDONLY | os.O_DIRECTORY |
                           os.O_NOFOLLOW, dir_fd=fd)
            os.close(fd)
            fd = down
        todo = [(fd, below)]
        while todo:
            fd, below = todo.pop()
            for name in os.listdir(fd):
                name = os.fsencode(name)
                st = os.stat(name, dir_fd=fd, follow_symlinks=False)
                rel = os.path.join(below, name)
                tree[rel] = st, os.readlink(name, dir_fd=fd) if \
                    stat.S_ISLNK(st.st_mode) else None
                if stat.S_ISDIR(st.st_mode):
                    todo.append((os.open(name, os.O_RDONLY |
                                 os.O_DIRECTORY, dir_fd=fd), rel))
            os.close(fd)

    def check_tree(self):
        links = []
        for medium, tree in self.tree.items():
            paths, inodes = self.paths[medium], self.inodes[medium]
            dirs = {p.rpartition(b"/")[0] for p in paths}
            for d in list(dirs):
                while d:
                    d = d.rpartition(b"/")[0]
                    dirs.add(d)
            for rel, (st, target) in tree.items():
                key = paths[rel][0] if rel in paths else None
                inode = inodes.get(key)
                if TEMPORARY.match(rel.rpartition(b"/")[2]) and not key:
                    if self.final:
                        self.bad("temporary", "%s in %s", rel, medium)
                elif stat.S_ISDIR(st.st_mode):
                    if stat.S_IMODE(st.st_mode) != 0o755:
                        self.bad("tree-mode", "%s of %s has mode %o", rel,
                                 medium, stat.S_IMODE(st.st_mode))
                    if rel not in dirs and not (inode and inode.type == "d"):
                        self.bad("tree-link", "directory %s of %s is not in "
                                 "the catalogue", rel, medium)
                elif inode is None:
                    self.bad("tree-link", "%s of %s is not in the catalogue",
                             rel, medium)
                elif target is not None:
                    links.append((medium, rel, target, inode))
                elif not stat.S_ISREG(st.st_mode):
                    self.bad("tree-link", "%s of %s is no file", rel, medium)
                else:
                    self.check_link(medium, rel, st, inode)
            self.check_present(medium, tree, paths, inodes)
        sums = blake3_strings([ln[2] for ln in links]) if self.content else []
        for (medium, rel, _target, inode), got in zip(links, sums):
            if inode.type != "l" or (inode.blob and inode.blob != got):
                self.bad("tree-link", "link %s of %s has another target",
                         rel, medium)

    def check_link(self, medium, rel, st, inode):
        if inode.status != "success":
            # a worker that was killed before it committed leaves links
            if self.final:
                self.bad("tree-link", "%s of %s is %s", rel, medium,
                         inode.status)
            elif not any((f.st_dev, f.st_ino) == (st.st_dev, st.st_ino)
                         for f in self.files.values()):
                self.bad("tree-link", "%s of %s is no link to a blob", rel,
                         medium)
            return
        blob = self.files.get(inode.blob)
        if blob is None or (blob.st_dev, blob.st_ino) == \
                (st.st_dev, st.st_ino):
            return
        if blob.st_nlink < MANY_LINKS or blake3_files([os.path.join(
                self.dirs["ARCHIVED_ROOT"], medium.encode(), rel)])[0] != \
                inode.blob:
            self.bad("tree-link", "%s of %s is not its blob", rel, medium)

    def check_present(self, medium, tree, paths, inodes):
        for rel, (key, excluded) in paths.items():
            inode = inodes.get(key)
            if excluded or inode is None or rel in tree or rel == b"":
                continue
            if inode.status == "success":
                self.bad("tree-lost", "%s of %s is success and not in the "
                         "tree", rel, medium)
            elif self.final and inode.type == "d" and \
                    self.media[medium]["copied"]:
                self.bad("tree-dir", "directory %s of %s is not in the tree",
                         rel, medium)

    # ---- lists

    @staticmethod
    def read_list(data):
        """Records of a .raw, or None when it is damaged."""
        records = []
        if not data or not data.endswith(b"\0"):
            return None
        for r in data[:-1].split(b"\0"):
            # metadata and omissions
            if r[:2] in (b"m\x1c", b"o\x1c"):
                continue
            f = r.split(b"\x1c", 6)
            if len(f) != 7 or not f[6]:
                return None
            try:
                records.append(Record(f[0].decode(), signed(int(f[1])),
                                      signed(int(f[2])), int(f[3]),
                                      int(f[4]), int(f[5]), f[6]))
            except ValueError:
                return None
        return records

    def check_lists(self):
        root = self.dirs["RAW_ROOT"]
        names = os.listdir(root) if os.path.isdir(root) else []
        for name in names:
            path = os.path.join(root, name)
            if not name.endswith(b".raw"):
                continue
            with open(path, "rb") as f:
                data = f.read()
            side = None
            try:
                with open(path + b".json", "rb") as f:
                    side = f.read()
            except FileNotFoundError:
                pass
            self.check_list(name[:-4].decode(), data, side)

    def check_list(self, medium, data, side):
        records = self.read_list(data)
        if records is None:
            self.bad("list-damaged", "%s.raw is damaged", medium)
            return
        root = records[0].path.rstrip(b"/")
        if side is not None:
            try:
                side = json.loads(side)
                got = blake3_strings([data])[0]
                if (side["rows"], side["bytes"], side["blake3"]) != \
                        (len(records), len(data), got):
                    self.bad("list-damaged", "%s.raw.json is of another list",
                             medium)
            except (ValueError, KeyError):
                self.bad("list-damaged", "%s.raw.json is damaged", medium)
        elif self.final:
            self.bad("list-damaged", "%s.raw has no sidecar", medium)
        if not self.media.get(medium, {}).get("loaded"):
            return
        listed = {}
        for r in records:
            rel = r.path[len(root):].strip(b"/") if r.path.startswith(root) \
                else r.path
            listed.setdefault(rel, r)
        self.same_paths("list-catalogue", medium, listed)
        for rel, r in listed.items():
            i = self.inodes[medium].get((r.dev, r.ino))
            if rel not in self.paths[medium]:
                continue
            if self.paths[medium][rel][0] != (r.dev, r.ino):
                self.bad("list-catalogue", "%s of %s is another inode than "
                         "in the list", rel, medium)
            elif i and (i.size, i.mtime, i.nlink) != \
                    (r.size, r.mtime, r.nlink):
                self.bad("list-catalogue", "inode of %s of %s is not as in "
                         "the list", rel, medium)

    def same_paths(self, name, medium, there):
        have = self.paths[medium]
        for rel in there:
            if rel not in have:
                self.bad(name, "%s of %s is not in the catalogue", rel,
                         medium)
        for rel in have:
            if rel not in there:
                self.bad(name, "%s of %s is in the catalogue only", rel,
                         medium)

    # ---- sources

    def check_sources(self):
        for medium, root in self.sources.items():
            if not self.media.get(medium, {}).get("loaded"):
                if self.final:
                    self.bad("unfinished", "%s is not loaded", medium)
                continue
            there = {}
            root = os.fsencode(root)
            todo = [b""]
            there[b""] = os.lstat(root)
            while todo:
                below = todo.pop()
                with os.scandir(os.path.join(root, below)) as entries:
                    for e in entries:
                        rel = os.path.join(below, e.name)
                        there[rel] = e.stat(follow_symlinks=False)
                        if e.is_dir(follow_symlinks=False) and \
                                len(rel) < 3000:
                            todo.append(rel)
            self.same_paths("source-paths", medium, there)
            self.check_source_bytes(medium, root, there)

    def check_source_bytes(self, medium, root, there):
        files, links, groups = [], [], {}
        for rel, st in there.items():
            if rel not in self.paths[medium]:
                continue
            key = self.paths[medium][rel][0]
            inode = self.inodes[medium].get(key)
            if inode is None:
                continue
            same = groups.setdefault(key, st.st_ino)
            if same != st.st_ino:
                self.bad("source-bytes", "%s of %s shares an inode with "
                         "another file", rel, medium)
            if inode.status != "success":
                continue
            if stat.S_ISREG(st.st_mode):
                files.append((rel, inode.blob))
            elif stat.S_ISLNK(st.st_mode):
                links.append((rel, inode.blob))
        sums = blake3_files([os.path.join(root, f[0]) for f in files])
        sums += blake3_strings([os.readlink(os.path.join(root, ln[0]))
                                for ln in links])
        for (rel, blob), got in zip(files + links, sums):
            if got is not None and got != blob:
                self.bad("source-bytes", "%s of %s was stored as something "
                         "else", rel, medium)

    # ---- archives

    def check_archives(self):
        root = self.dirs["ARCHIVE_ROOT"]
        names = os.listdir(root) if os.path.isdir(root) else []
        good = set()
        for name in names:
            if name in (b"lost+found", b".ntt-store", b"old"):
                continue
            if not name.endswith(b".tar.zst"):
                if self.final and not name.endswith((b".damaged",
                                                     b".catalogue.zst")):
                    self.bad("temporary", "%s in ARCHIVE_ROOT", name)
                continue
            medium = name[:-8].decode()
            if self.check_archive(os.path.join(root, name), medium):
                good.add(medium)
            if self.final and not self.media.get(medium, {}).get("archived"):
                self.bad("archive-row", "%s has an archive and no "
                         "archived_at", medium)
        for medium, row in self.media.items():
            if row["archived"] and medium not in good:
                self.bad("archive-lost", "%s has archived_at and no good "
                         "archive", medium)
            if row["archived"] and not row["copied"]:
                self.bad("archive-row", "%s is archived and not copied",
                         medium)
            if row["kind"] != "image" or medium in good:
                continue
            places = [row["image"], row["source"], os.path.join(
                self.dirs["IMAGE_ROOT"], medium.encode() + b".img")]
            if not any(p and os.path.exists(p) for p in places):
                self.bad("archive-lost", "%s has neither its image nor an "
                         "archive", medium)

    def check_archive(self, path, medium):
        st = os.stat(path)
        if self.known.get(self.identity(st)) == "archive":
            return True
        reader = subprocess.Popen(["zstd", "-qdc", path],
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        why, got, manifest, lists = None, {}, None, {}
        try:
            with tarfile.open(fileobj=reader.stdout, mode="r|") as tar:
                for m in tar:
                    f = tar.extractfile(m)
                    if f is None:
                        why = "has %s, which is no file" % m.name
                        break
                    if manifest is None:
                        if m.name != medium + ".manifest.json":
                            why = "begins with %s" % m.name
                            break
                        manifest = json.load(f)
                        continue
                    got[m.name] = self.member(f, m, lists)
            while reader.stdout.read(1 << 20):
                pass
        except (tarfile.TarError, ValueError, OSError) as e:
            why = "cannot be read: %s" % e
        finally:
            reader.stdout.close()
            status = reader.wait()
        if why is None and status:
            why = "cannot be read"
        if why is None and manifest is None:
            why = "is empty"
        if why is None:
            want = {m["name"]: (m["size"], m["blake3"])
                    for m in manifest["members"]}
            if manifest["medium"] != medium:
                why = "is that of %s" % manifest["medium"]
            elif want != got:
                why = "differs from its manifest: %s" % sorted(
                    set(want.items()) ^ set(got.items()))
        if why:
            self.bad("archive-damaged", "%s %s", path, why)
            return False
        if medium + ".raw" in lists:
            self.check_list(medium, lists[medium + ".raw"],
                            lists.get(medium + ".raw.json"))
        self.known[self.identity(st)] = "archive"
        return True

    @staticmethod
    def member(f, m, lists):
        hasher = subprocess.Popen(["b3sum", "--no-names"],
                                  stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        size, kept = 0, []
        while True:
            part = f.read(1 << 20)
            if not part:
                break
            size += len(part)
            hasher.stdin.write(part)
            if m.name.endswith((".raw", ".raw.json")):
                kept.append(part)
        out = hasher.communicate()[0]
        if kept:
            lists[m.name] = b"".join(kept)
        return size, out.decode().strip()

    # ---- the machine

    def check_machine(self):
        ours = [self.dirs[k] for k in ("NTT_MOUNT_ROOT",)]
        with open("/proc/self/mountinfo", "rb") as f:
            for line in f:
                point = re.sub(rb"\\([0-7]{3})", lambda m: bytes(
                    [int(m[1], 8)]), line.split(b" ")[4])
                if self.final and any(point.startswith(d + b"/")
                                      for d in ours):
                    self.bad("mounted", "%s is mounted", point)
        self.check_loops()
        if self.final:
            self.check_locks()
            self.check_processes()
            self.check_temporaries()
            for pid, name, state in self.sessions:
                self.bad("session", "%s (%s, %s) is connected", name, pid,
                         state)

    def check_loops(self):
        roots = [self.dirs["IMAGE_ROOT"]]
        roots += [m["image"] for m in self.media.values() if m["image"]]
        roots += [m["source"] for m in self.media.values()
                  if m["kind"] == "image" and m["source"]]
        count = collections.Counter()
        for name in os.listdir("/sys/block"):
            try:
                with open("/sys/block/%s/loop/backing_file" % name,
                          "rb") as f:
                    backing = f.read().rstrip(b"\n")
                with open("/sys/block/%s/loop/offset" % name) as f:
                    offset = int(f.read())
            except OSError:
                continue
            plain = backing[:-10] if backing.endswith(b" (deleted)") else \
                backing
            if any(plain == r or plain.startswith(r + b"/") for r in roots):
                count[plain, offset] += 1
                if self.final or plain != backing:
                    self.bad("loop", "%s is attached to %s", backing, name)
        for (backing, offset), n in count.items():
            if n > 1:
                self.bad("loop-twice", "%s has %d loops at %d", backing, n,
                         offset)

    def check_locks(self):
        root = self.dirs["NTT_RUN_DIR"]
        locks = {}
        for name in os.listdir(root) if os.path.isdir(root) else []:
            st = os.stat(os.path.join(root, name))
            if name.endswith(b".lock"):
                locks["%02x:%02x:%d" % (os.major(st.st_dev), os.minor(
                    st.st_dev), st.st_ino)] = name
        with open("/proc/locks") as f:
            for line in f:
                fields = line.replace("-> ", "").split()
                if len(fields) > 5 and fields[5] in locks:
                    self.bad("locked", "%s is locked by %s",
                             locks[fields[5]], fields[4])

    def check_processes(self):
        home = os.environ.get("NTT_HOME")
        mine = ("NTT_HOME=%s" % home if home else
                "NTT_DB_URL=%s" % self.url).encode()
        for pid in os.listdir("/proc"):
            if not pid.isdigit():
                continue
            try:
                with open("/proc/%s/comm" % pid, errors="replace") as f:
                    name = f.read().strip()
                with open("/proc/%s/environ" % pid, "rb") as f:
                    environment = f.read().split(b"\0")
            except OSError:
                continue
            if name.startswith("ntt-") and mine in environment:
                self.bad("process", "%s (%s) is running", name, pid)

    def check_temporaries(self):
        for key in ("RAW_ROOT", "IMAGE_ROOT", "ARCHIVE_ROOT"):
            root = self.dirs[key]
            for name in os.listdir(root) if os.path.isdir(root) else []:
                if TEMPORARY.match(name):
                    self.bad("temporary", "%s in %s", name, key)

    def run(self):
        self.read_catalogue()
        self.read_store()
        self.read_tree()
        self.check_states()
        self.check_ranges()
        self.check_blobs()
        self.check_tree()
        self.check_lists()
        self.check_sources()
        self.check_archives()
        self.check_machine()
        return self.found


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("\n", 1)[0])
    p.add_argument("--final", action="store_true")
    p.add_argument("--no-content", action="store_true")
    p.add_argument("--source", action="append", default=[])
    a = p.parse_args()
    try:
        found = Check(a.final, dict(s.split("=", 1) for s in a.source),
                      not a.no_content).run()
    except (CannotLook, ValueError) as e:
        print("check.py: %s" % e, file=sys.stderr)
        return 2
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
