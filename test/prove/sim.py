"""Weeks in an archive: media come in, bad disks are imaged, all is listed,
loaded, copied by several workers and archived, several at a time, while
processes are killed, disks fill, the database goes away, calls fail and mounts
vanish.  What must hold at every moment is checked after every step, the rest
when all is healed."""
import os
import random
import signal
import subprocess
import threading
import time

import world
from cases import FAULTS
from world import Broken

STEPS = 25              # of a week
PATIENCE = 90
CRASHED = {128 + s for s in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS,
                             signal.SIGFPE, signal.SIGILL, signal.SIGTRAP)}


class Medium:
    def __init__(self, kind, path, tree):
        self.kind, self.path, self.tree = kind, path, tree
        self.hash = None
        self.damaged = False

    def orchestrator(self):
        return ["ntt-orchestrator", "-q", "--workers", "3"] + (
            ["--image"] if self.kind == "image" else []) + [self.path]


class Week:
    def __init__(self, cluster, base, seed, steps, until, verbose):
        self.steps = steps
        self.seed, self.base, self.build = seed, base, cluster.build
        self.until, self.verbose = until, verbose
        self.rng = random.Random(seed)
        self.name = "sim/%d" % seed
        self.trail = []
        self.media = []
        self.jobs = []

    # ---- the machine

    def begin(self):
        base = os.path.join(self.base, "sim-%d" % self.seed)
        os.makedirs(base)
        os.chmod(base, 0o755)
        self.dir = base
        self.cluster = world.Cluster(self.build, base)
        self.w = world.World(self.cluster, base, "week")
        os.makedirs(self.w.home)
        if world.can_mount():
            disk = os.path.join(base, "disk")
            with open(disk, "wb") as f:
                f.truncate(160 << 20)
            world.call("mkfs.ext4", "-q", "-m", "0", disk)
            world.call("mount", "-o", "loop", disk, self.w.home)
        self.cluster.sql("CREATE DATABASE %s" % self.w.db)
        self.w.must("ntt-db", "migrate", "-q")

    def end(self):
        for job in self.jobs:
            job.process.kill()
        try:
            self.w.reap(30)
        finally:
            self.cluster.stop()
            world.clear(self.dir)

    def note(self, text, *args):
        self.trail.append(text % args)
        if self.verbose:
            print("    %s" % self.trail[-1], flush=True)

    # ---- what an archivist does

    def new_medium(self):
        n = len(self.media)
        tree = os.path.join(self.dir, "tree-%d" % n)
        world.random_tree(self.rng, tree, self.rng.randrange(3, 60))
        if world.can_mount() and self.rng.randrange(3) == 0:
            m = Medium("image", os.path.join(self.dir, "disk-%d.img" % n),
                       tree)
            with open(tree + "/victim", "wb") as f:
                f.write(self.rng.randbytes(300000))
            world.make_image(tree, m.path, 8)
            what = self.rng.randrange(4)
            if what < 2:
                self.damage(m)
            elif what == 2 and os.path.exists("/dev/fuse"):
                self.image(m)
        else:
            m = Medium("directory", tree, tree)
        self.note("new %s %s", m.kind, m.path)
        self.media.append(m)
        return m

    def page_of_victim(self, m):
        """Where four kilobytes are that are of that file alone."""
        out = world.call("debugfs", "-R", "blocks /victim", m.path,
                         stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL).stdout.split()
        blocks = {int(b) for b in out}      # of 1024 bytes
        return self.rng.choice(sorted(
            b for b in blocks
            if b % 4 == 0 and {b + 1, b + 2, b + 3} <= blocks)) * 1024

    def damage(self, m):
        """A part of one file was not rescued: zeros, and the map says so."""
        size = os.path.getsize(m.path)
        at, length = self.page_of_victim(m), 4096
        with open(m.path, "r+b") as f:
            f.seek(at)
            f.write(bytes(length))
        with open(m.path[:-4] + ".map", "w") as f:
            f.write("# rescued\n0x0 + 1\n0 %d +\n%d %d -\n%d %d +\n" % (
                at, at, length, at + length, size - at - length))
        m.damaged = True

    def image(self, m):
        """The image is made of a disk with bad sectors, with interruptions."""
        disk, point = m.path + ".disk", m.path + ".fuse"
        os.rename(m.path, disk)
        os.makedirs(point)
        bad = self.page_of_victim(Medium("image", disk, None))
        server = subprocess.Popen(
            [os.path.join(self.build, "test", "tools", "faultfile"), disk,
             point, "eio", str(bad), "4096", "slow=1", "4194304", "1048576"],
            env=self.w.env, stderr=subprocess.DEVNULL)
        try:
            self.rescue(m, disk, point + "/image")
        finally:
            server.kill()
            server.wait()
            world.call("umount", "-l", point, check=False,
                       stderr=subprocess.DEVNULL)
        lost = world.lost(m.path)
        if not lost or lost[0][0] < bad or sum(lost[-1]) > bad + 4096:
            raise Broken("bad are 4096 bytes at %d, missing %s" % (
                bad, lost))
        m.damaged = True

    def rescue(self, m, disk, source):
        end = time.monotonic() + 5
        while not os.path.exists(source) and time.monotonic() < end:
            time.sleep(0.01)
        argv = ["ntt-imager", "-q", source, m.path]
        for _ in range(self.rng.randrange(4)):
            self.start(argv)
            time.sleep(self.rng.random() * 0.3)
            self.strike("kill")
            self.settle()
            world.true_to_map(disk, m.path)
        self.w.must(*argv, ok=(3,))
        world.true_to_map(disk, m.path)

    def find_hash(self, m):
        if m.hash is None:
            out = self.w.must("ntt-identify", "--json", m.path).out
            m.hash = world.check.json.loads(out)["hash"]
        return m.hash

    def commands(self, m):
        """Something that is always allowed to be done with a medium."""
        h = self.find_hash(m)
        raw = os.path.join(self.w.home, "raw", h + ".raw")
        some = [m.orchestrator()] * 4
        some += [["ntt-copier", "-q", "-m", h, "--batch-size", "3"],
                 ["ntt-copy-workers", "-q", "-m", h, "-w", "3", "--wait"],
                 ["ntt-archiver", "-q", h],
                 ["ntt-verify", "-q", "-m", h, "--sample-rate", "1"],
                 ["ntt-re-hardlink", "-q", "-m", h],
                 ["ntt-recover-failed", "reset-failures", "-q", "-m", h,
                  "--execute"],
                 ["ntt-cleanup-mounts", "-q"]]
        if m.kind == "directory":
            some += [["ntt-enum", "-q", m.path, h, raw],
                     ["ntt-loader", "-q", raw, h, "--kind", "directory"]]
        return some

    def start(self, argv, env=None):
        self.note("start %s%s", " ".join(argv), " with " + env["NTT_FAULT"]
                  if env else "")
        self.jobs.append(Job(self.w, argv, env))

    def fault(self):
        program = self.rng.choice([
            "ntt-copier", "ntt-loader", "ntt-enum", "ntt-archiver",
            "ntt-orchestrator", "ntt-mount-helper"])
        family = self.rng.choice([f for f in FAULTS if f != "malloc"])
        kind = self.rng.choice(FAULTS[family])
        at, _, error = kind.partition(":")
        counts = os.path.join(self.w.dir, "counts-%d" % len(self.trail))
        return {"LD_PRELOAD": os.path.join(self.build, "test", "preload",
                                           "fault.so"),
                "NTT_FAULT_IN": program, "NTT_FAULT_COUNTS": counts,
                "NTT_FAULT": "%s:%d%s:%s" % (
                    family, self.rng.randrange(1, 60), at[1:], error)}

    # ---- what happens to him

    def disturb(self):
        what = self.rng.choice([
            "nothing", "kill", "kill", "kill", "term", "term", "backends",
            "backends", "server", "server at once", "full", "mount"])
        time.sleep(self.rng.random() ** 2 * 0.4)
        if what in ("kill", "term"):
            self.strike(what)
        elif what == "backends":
            self.note("backends terminated")
            self.cluster.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = '%s'" % self.w.db)
        elif what.startswith("server"):
            self.note("restart of the %s", what)
            if what == "server":
                self.cluster.stop()
            else:
                with open(self.cluster.home + "/pg/data/postmaster.pid") as f:
                    pid = int(f.readline())
                os.kill(pid, signal.SIGQUIT)
                end = time.monotonic() + PATIENCE
                while os.path.exists("/proc/%d" % pid):
                    if time.monotonic() > end:
                        raise Broken("PostgreSQL does not end: %s" %
                                     world.where(pid))
                    time.sleep(0.01)
            self.cluster.start()
        elif what == "full":
            self.full()
        elif what == "mount":
            points = [p for p in self.mount_points()]
            for p in points[:1]:
                self.note("mount %s lost", p)
                world.call("umount", "-l", p, check=False,
                               stderr=subprocess.DEVNULL)

    def strike(self, what):
        """One of the processes, if there is any."""
        running = self.w.still_running()
        if not running:
            return
        pid, name = self.rng.choice(running)
        self.note("%s %s", what, name)
        try:
            os.kill(pid, signal.SIGKILL if what == "kill" else
                    signal.SIGTERM)
        except ProcessLookupError:
            pass

    def mount_points(self):
        root = self.w.home + "/mnt"
        for name in os.listdir(root) if os.path.isdir(root) else []:
            if os.path.ismount(root + "/" + name):
                yield root + "/" + name

    def full(self):
        """For a while there is no room."""
        if not os.path.ismount(self.w.home):
            return
        st = os.statvfs(self.w.home)
        left = self.rng.choice([0, 4096, 100000, 1000000])
        self.note("disk full but for %d", left)
        filler = self.w.home + "/filler"
        try:
            with open(filler, "wb") as f:
                try:
                    os.posix_fallocate(f.fileno(), 0, max(
                        1, st.f_bavail * st.f_bsize - left))
                except OSError:
                    pass
            time.sleep(self.rng.random() * 0.5)
        finally:
            os.unlink(filler)

    def lose_a_link(self):
        root = self.w.home + "/archived"
        for d in os.listdir(root) if os.path.isdir(root) else []:
            if d.startswith("."):
                continue
            for name in os.listdir(root + "/" + d):
                path = os.path.join(root, d, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    self.note("link %s lost", ascii(path))
                    os.unlink(path)
                    self.w.must("ntt-re-hardlink", "-q", "-m", d)
                    return

    # ---- a week

    def step(self):
        if len(self.media) < 2 or (len(self.media) < 8 and
                                   self.rng.randrange(4) == 0):
            self.new_medium()
        for _ in range(self.rng.randrange(1, 4)):
            m = self.rng.choice(self.media)
            argv = self.rng.choice(self.commands(m))
            self.start(argv, self.fault() if self.rng.randrange(5) == 0
                       else None)
        for _ in range(self.rng.randrange(3)):
            self.disturb()
        self.settle()
        self.w.check(False, self.sources())
        if self.rng.randrange(8) == 0:
            self.lose_a_link()

    def settle(self):
        for job in self.jobs:
            status, err = job.judge()
            if self.verbose:
                print("        %s ended with %d: %s" % (
                    job.argv[0], status, err.replace("\n", "; ")), flush=True)
        self.jobs = []
        self.w.reap(PATIENCE)

    def sources(self):
        return {m.hash: m.path for m in self.media
                if m.kind == "directory" and m.hash}

    def heal(self):
        """Everything works again: what is left is done by saying the same
        commands again."""
        self.note("healed")
        for m in self.media:
            h = self.find_hash(m)
            for _ in range(3):
                done = self.w.run(*m.orchestrator())
                if done.status in (0, 2):
                    break
                self.note("%s: exit %d: %s", m.orchestrator(), done.status,
                          done.err.strip())
                self.w.must("ntt-recover-failed", "reset-failures", "-q",
                            "-m", h, "--execute", ok=(0, 1, 2))
                # what the disk has lost, and nothing else, is settled
                if m.damaged:
                    self.w.must("ntt-recover-failed", "accept", "-q", "-m", h,
                                "victim", "--reason", "a bad disk",
                                ok=(0, 1, 2))
            else:
                raise Broken("healed, and %s ends with %d: %s" % (
                    " ".join(m.orchestrator()), done.status,
                    done.err.strip()))
        self.w.must("ntt-verify", "-q", "--all", "--sample-rate", "1")
        self.w.must("ntt-verify", "-q", "--orphans", ok=(0, 3))
        self.w.check(True, self.all_sources())
        self.damage_known()

    def all_sources(self):
        """Images as the kernel shows them, by a mount of our own."""
        out = self.sources()
        for m in self.media:
            if m.kind != "image":
                continue
            point = m.path + ".check"
            os.makedirs(point, exist_ok=True)
            copy = m.path + ".copy"
            world.call("cp", "--sparse=always", m.path, copy)
            world.call("mount", "-o", "loop,ro,noload", copy, point)
            self.own.append(point)
            out[m.hash] = point
        return out

    def damage_known(self):
        got = self.w.sql(
            "SELECT medium_hash, convert_from(path, 'UTF8') FROM inode_damage "
            "JOIN path USING (medium_hash, dev, ino) WHERE determined "
            "AND extents IS NOT NULL ORDER BY 1")
        want = "\n".join(sorted("%s|victim" % m.hash for m in self.media
                                if m.damaged))
        if got != want:
            raise Broken("damaged are %s, known as damaged %s; rows: %s" % (
                want, got, self.w.sql(
                    "SELECT d, i.status, i.copied, m.health FROM inode i "
                    "JOIN path USING (medium_hash, dev, ino) "
                    "JOIN medium m USING (medium_hash) "
                    "LEFT JOIN inode_damage d USING (medium_hash, dev, ino) "
                    "WHERE path = 'victim'")))

    def run(self):
        self.own = []
        began = time.monotonic()
        try:
            self.begin()
            for n in range(self.steps):
                if n and time.monotonic() > self.until:
                    self.note("no time left")
                    self.name = "sim/%d/%d" % (self.seed, n)
                    break
                self.note("step %d of %s", n + 1, self.name)
                self.step()
            self.heal()
            print("kept %s: %d media, %.0f s" % (
                self.name, len(self.media), time.monotonic() - began),
                flush=True)
        except (Broken, RuntimeError, OSError, world.check.CannotLook) as e:
            raise Broken("%s\nbefore that:\n  %s" % (
                e, "\n  ".join(self.trail[-16:]))) from None
        finally:
            for point in self.own:
                world.call("umount", "-l", point, check=False)
            self.end()


class Job:
    def __init__(self, w, argv, env):
        self.argv = argv
        self.disturbed = env is not None    # so a configuration may be bad
        self.process = subprocess.Popen(
            argv, env=dict(w.env, **(env or {})), cwd=w.dir,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE)
        self.err = b""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        self.err = self.process.stderr.read()

    def judge(self):
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            stuck = world.where(self.process.pid)
            self.process.kill()
            raise Broken("%s did not end in %d s: %s" % (
                " ".join(self.argv), PATIENCE, stuck)) from None
        self.reader.join(PATIENCE)
        self.process.stderr.close()
        if status < 0:
            status = 128 - status
        err = self.err.decode(errors="replace").strip()
        if status in CRASHED:
            raise Broken("%s crashed (%d): %s" % (" ".join(self.argv),
                                                  status, err))
        if status not in (0, 1, 2, 3, 75, 126, 127, 137, 143) and \
                not (status == 64 and self.disturbed):
            raise Broken("%s ended with %d: %s" % (" ".join(self.argv),
                                                   status, err))
        if status in (1, 75) and "ntt-" not in err:
            raise Broken("%s ended with %d and said \"%s\"" % (
                " ".join(self.argv), status, err))
        return status, err


def cases(a, cluster, base, number, until):
    verbose = a.verbose or len(a.case) == 1
    for c in a.case:
        if c.startswith("sim/"):
            seed, _, steps = c[4:].partition("/")
            yield Week(cluster, base, int(seed), int(steps or STEPS), until,
                       verbose)
    n = 0
    while not a.case and not a.list:
        yield Week(cluster, base, a.seed * 1000 + number * 100 + n, STEPS,
                   until, verbose)
        n += 1
