#!/usr/bin/python3
"""selftest.py BUILD: breaks each thing that check.py looks at, once, and sees
that it says so, and nothing else."""
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "prove"))
import scenarios    # noqa: E402
import world        # noqa: E402

M = scenarios.M


class Media(scenarios.Archiver):
    """One medium copied with its list and image there, one archived."""
    name = "selftest"
    OTHER = "beef0000beef0000"

    def setup(self):
        w = self.w
        super().setup()
        world.remove(self.src + "-2")
        shutil.copytree(self.src, self.src + "-2", symlinks=True,
                        ignore=lambda d, names: ["fifo"])
        raw = w.home + "/raw/" + self.OTHER + ".raw"
        w.must("ntt-enum", "-q", self.src + "-2", self.OTHER, raw)
        w.must("ntt-loader", "-q", raw, self.OTHER)
        w.must("ntt-copier", "-q", "-m", self.OTHER)
        w.must("ntt-archiver", "-q", self.OTHER)


def in_session(t, statement):
    p = subprocess.Popen(["psql", "-XAtq", t.w.env["NTT_DB_URL"]],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write(b"%s; SELECT 1;\n" % statement.encode())
    p.stdin.flush()
    p.stdout.readline()
    t.undo = lambda: (p.kill(), p.wait(), p.stdin.close(), p.stdout.close())


BREAKS = []


def broken(*names, final=True):
    def add(f):
        BREAKS.append((f, names, final))
        return f
    return add


class Tools:
    def __init__(self, s):
        self.s, self.w = s, s.w
        self.home = s.w.home
        self.tree = os.path.join(self.home, "archived", M)
        self.sql = s.w.sql

    def blob(self, name):
        out = self.sql("SELECT blobid FROM inode JOIN path USING "
                       "(medium_hash, dev, ino) WHERE path = '%s' LIMIT 1"
                       % name)
        return out, os.path.join(self.home, "by-hash", out[:2], out[2:4],
                                 out)

    def append(self, path, data=b"x"):
        with open(path, "ab") as f:
            f.write(data)


@broken("store-name")
def alien_in_store(t):
    t.append(t.home + "/by-hash/README")


@broken("store-name", "success-blob", "blob-file")
def blob_in_another_directory(t):
    blob = t.blob("one")[1]
    os.makedirs(t.home + "/by-hash/00/00")
    os.rename(blob, t.home + "/by-hash/00/00/" + os.path.basename(blob))


@broken("store-mode")
def mode_of_blob(t):
    os.chmod(t.blob("one")[1], 0o640)


@broken("store-mode")
def mode_of_directory(t):
    os.chmod(os.path.dirname(t.blob("one")[1]), 0o700)


@broken("store-bytes")
def rotten(t):
    with open(t.blob("large")[1], "r+b") as f:
        f.seek(1000000)
        f.write(b"rot")


@broken("store-bytes", "blob-size")
def truncated(t):
    os.truncate(t.blob("large")[1], 1000)


@broken("success-blob", "blob-file")
def blob_gone(t):
    os.unlink(t.blob("one")[1])


@broken("success-blob", "blob-row")
def row_gone(t):
    t.sql("DELETE FROM blobs WHERE blobid = '%s'" % t.blob("one")[0])


@broken("blob-row", final=True)
def file_without_row(t):
    d = t.home + "/by-hash/48/8d"
    os.makedirs(d)
    for p in (t.home + "/by-hash/48", d):
        os.chmod(p, 0o755)
    name = d + "/488de202f73bd976de4e7048f4e1f39a776d86d582b7348ff53bf432b987" \
        "fca8"
    with open(name, "wb") as f:
        f.write(bytes(1 << 20))
    os.chmod(name, 0o444)


@broken("blob-file")
def row_without_file(t):
    t.sql("INSERT INTO blobs (blobid, size) VALUES (repeat('a', 64), 1)")


@broken("blob-size")
def size_of_row(t):
    t.sql("UPDATE blobs SET size = size + 1 WHERE blobid = '%s'" %
          t.blob("large")[0])


@broken("blob-links")
def links_of_row(t):
    t.sql("UPDATE blobs SET n_hardlinks = n_hardlinks + 1 WHERE blobid = "
          "'%s'" % t.blob("one")[0])


@broken("state")
def excluded_with_a_path(t):
    t.sql("UPDATE inode SET status = 'excluded', blobid = NULL WHERE "
          "medium_hash = '%s' AND fs_type = 'p'" % M)


@broken("state", "copied-pending")
def directory_pending(t):
    t.sql("UPDATE inode SET status = 'pending' WHERE medium_hash = '%s' AND "
          "fs_type = 'd'; UPDATE work_range SET done = false WHERE "
          "medium_hash = '%s'" % (M, M))


@broken("archive-row", "unfinished")
def archived_and_not_copied(t):
    t.sql("UPDATE medium SET copy_done = NULL WHERE medium_hash = '%s'" %
          Media.OTHER)


@broken("range", "unfinished")
def forgotten_by_the_queue(t):
    t.sql("UPDATE inode SET status = 'pending', blobid = NULL WHERE (dev, "
          "ino) = (SELECT dev, ino FROM path WHERE path = 'link' AND "
          "medium_hash = '%s'); UPDATE medium SET copy_done = NULL WHERE "
          "medium_hash = '%s'" % (M, M))
    os.unlink(t.tree + "/link")


@broken("path-inode", "list-catalogue", "tree-link", "source-paths")
def path_gone(t):
    t.sql("DELETE FROM path WHERE path = 'one' AND medium_hash = '%s'" % M)


@broken("path-twice")
def path_twice(t):
    t.sql("INSERT INTO path (medium_hash, dev, ino, path) SELECT "
          "medium_hash, dev, ino, path FROM path WHERE path = 'one' AND "
          "medium_hash = '%s'" % M)


@broken("loaded")
def no_enum_done(t):
    t.sql("UPDATE medium SET enum_done = NULL WHERE medium_hash = '%s'" %
          Media.OTHER)


@broken("loaded", final=False)
def not_attached(t):
    t.sql("CREATE TABLE inode_p_0123456789abcdef (LIKE inode)")


@broken("tree-lost", "blob-links")
def link_gone(t):
    os.unlink(t.tree + "/one")


@broken("tree-link", "blob-links")
def link_is_a_copy(t):
    os.unlink(t.tree + "/one")
    shutil.copy(t.blob("one")[1], t.tree + "/one")


@broken("tree-link")
def another_target(t):
    os.unlink(t.tree + "/link")
    os.symlink("elsewhere", t.tree + "/link")


@broken("tree-link")
def alien_in_tree(t):
    t.append(t.tree + "/alien")


@broken("tree-dir", "tree-lost", "blob-links")
def directory_gone(t):
    shutil.rmtree(t.tree + "/d/e")


@broken("tree-mode")
def mode_in_tree(t):
    os.chmod(t.tree + "/d", 0o700)


@broken("list-damaged")
def list_truncated(t):
    path = t.s.raw()
    os.truncate(path, os.path.getsize(path) - 1)


@broken("list-damaged")
def sidecar_of_another_list(t):
    with open(t.s.raw() + ".json") as f:
        text = f.read()
    with open(t.s.raw() + ".json", "w") as f:
        f.write(text.replace('"rows":', '"rows":1'))


@broken("list-damaged")
def no_sidecar(t):
    os.unlink(t.s.raw() + ".json")


@broken("source-bytes", "list-catalogue", "blob-links")
def merged(t):
    """Two files of one size as if they were one."""
    t.sql("UPDATE inode SET blobid = '%s' WHERE blobid = '%s' AND "
          "medium_hash = '%s'" % (t.blob("one")[0], t.blob("d/two")[0], M))
    t.sql("UPDATE inode SET mtime = mtime + 1 WHERE medium_hash = '%s' AND "
          "fs_type = 'p'" % M)
    for name in ("d/two", "name of two"):
        os.unlink(t.tree + "/" + name)
        os.link(t.blob("one")[1], t.tree + "/" + name)


@broken("source-paths")
def source_has_more(t):
    t.append(t.s.src + "/unlisted")
    t.undo = lambda: os.unlink(t.s.src + "/unlisted")


@broken("archive-damaged", "archive-lost")
def archive_damaged(t):
    path = t.home + "/archives/" + Media.OTHER + ".tar.zst"
    with open(path, "r+b") as f:
        f.seek(f.read().rfind(b"\x28\xb5\x2f\xfd") + 12)
        f.write(b"XYZW")


@broken("archive-damaged", "archive-lost")
def archive_truncated(t):
    path = t.home + "/archives/" + Media.OTHER + ".tar.zst"
    os.truncate(path, os.path.getsize(path) // 2)


@broken("archive-row")
def archive_unknown(t):
    t.sql("UPDATE medium SET archived_at = NULL WHERE medium_hash = '%s'" %
          Media.OTHER)


@broken("archive-lost", final=False)
def image_lost(t):
    os.unlink(t.home + "/img/" + M + ".img")


@broken("temporary")
def temporary_list(t):
    t.append(t.home + "/raw/.x.raw.123.tmp")


@broken("temporary")
def temporary_link(t):
    t.append(t.tree + "/.ntt.1.2.tmp")


@broken("temporary")
def temporary_blob(t):
    os.mkdir(t.home + "/by-hash/.tmp")
    t.append(t.home + "/by-hash/.tmp/123.4")


@broken("temporary")
def partial_archive(t):
    t.append(t.home + "/archives/" + M + ".tar.zst.partial")


@broken("unfinished")
def not_copied(t):
    t.sql("UPDATE medium SET copy_done = NULL WHERE medium_hash = '%s'" % M)


@broken("worker", "session")
def worker_left(t):
    t.sql("INSERT INTO worker (id, name, host, pid, start_time, medium_hash) "
          "OVERRIDING SYSTEM VALUE VALUES (77, 'x', 'x', 1, 1, '%s')" % M)
    in_session(t, "SELECT pg_advisory_lock(catalogue_worker_class(), 77)")


@broken("worker")
def range_claimed(t):
    t.sql("UPDATE work_range SET worker = 1, done = false WHERE medium_hash "
          "= '%s'" % M)


@broken("locked")
def lock_held(t):
    os.makedirs(t.home + "/run", exist_ok=True)
    f = open(t.home + "/run/use-x.lock", "w")
    fcntl.flock(f, fcntl.LOCK_EX)
    t.undo = f.close


@broken("process")
def process_left(t):
    program = t.w.dir + "/ntt-sleep"
    shutil.copy(shutil.which("sleep"), program)
    p = subprocess.Popen([program, "100"], env=t.w.env)
    t.undo = lambda: (p.kill(), p.wait())


@broken("session")
def session_left(t):
    in_session(t, "BEGIN")


if world.can_mount():
    @broken("loop")
    def loop_left(t):
        image = t.home + "/img/" + M + ".img"
        dev = subprocess.run(["losetup", "-f", "--show", "-r", image],
                             stdout=subprocess.PIPE, check=True).stdout
        t.undo = lambda: subprocess.run(["losetup", "-d", dev.strip()],
                                        check=True)

    @broken("loop", "loop-twice")
    def two_loops(t):
        image = t.home + "/img/" + M + ".img"
        devs = [subprocess.run(["losetup", "-f", "--show", "-r", image],
                               stdout=subprocess.PIPE, check=True).stdout
                for _ in range(2)]
        t.undo = lambda: [subprocess.run(["losetup", "-d", d.strip()],
                                         check=True) for d in devs]

    @broken("mounted")
    def mount_left(t):
        point = t.home + "/mnt/" + M
        os.makedirs(point)
        subprocess.run(["mount", "-t", "tmpfs", "none", point], check=True)
        t.undo = lambda: subprocess.run(["umount", point], check=True)


def found_by(s, final):
    done = subprocess.run(
        [os.path.join(HERE, "check.py"), "--source", "%s=%s" % (M, s.src)] +
        (["--final"] if final else []), env=s.w.env, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode == 2 or (done.returncode == 0) != (not done.stdout):
        return {"exit %d: %s" % (done.returncode, done.stderr.decode())}, ""
    text = done.stdout.decode()
    return {line.split(":")[0] for line in text.splitlines()}, text


def main():
    base = tempfile.mkdtemp(prefix="ntt-check.")
    os.chmod(base, 0o755)
    cluster = world.Cluster(os.path.abspath(sys.argv[1]), base)
    w = world.World(cluster, base, "selftest")
    s, failed = Media(w), 0
    only = sys.argv[2:]
    try:
        s.prepare()
        for final in (False, True):
            names, text = found_by(s, final)
            if names:
                print("nothing is broken, and it says:\n" + text)
                failed += 1
        for f, names, final in BREAKS:
            if only and f.__name__ not in only:
                continue
            s.restore()
            t = Tools(s)
            t.undo = lambda: None
            f(t)
            try:
                found, text = found_by(s, final)
            finally:
                t.undo()
            if found != set(names):
                failed += 1
                print("%s: expected %s, found %s\n%s" % (
                    f.__name__, sorted(names), sorted(found), text))
    finally:
        w.close()
        cluster.stop()
        shutil.rmtree(base, ignore_errors=True)
    print("%d things broken, %d not found as they should be" % (
        len(BREAKS), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
