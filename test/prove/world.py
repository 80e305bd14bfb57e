"""A world of its own for a test: directories, a catalogue, sources; saved,
restored, and given to the checker."""
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "check"))
import check  # noqa: E402

FAMILIES = ("write sync rename link open mkdir malloc read unlink close send "
            "recv fork truncate stat mount").split()


TIMED_OUT = -1


class Broken(Exception):
    """A promise that was not kept."""


def below(pid):
    """A process and those it started."""
    found = [pid]
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                for child in f.read().split():
                    found += below(int(child))
    except OSError:
        pass
    return found


def where(pid):
    """What a process that does not end is doing, and its children."""
    out = []
    for p in below(pid):
        parts = []
        for what in ("comm", "wchan", "syscall"):
            try:
                with open("/proc/%d/%s" % (p, what), errors="replace") as f:
                    parts.append(f.read().split("\n")[0].split(" ")[0])
            except OSError:
                parts.append("?")
        out.append("%s(%d) in %s, system call %s" % (
            parts[0], p, parts[1], parts[2]))
    return "; ".join(out)


def call(*argv, timeout=60, check=True, **options):
    """subprocess.run() that ends: a process the kernel does not let go is
    left behind, and told of."""
    data = options.pop("input", None)
    if data is not None:
        options["stdin"] = subprocess.PIPE
    process = subprocess.Popen(argv, **options)
    try:
        out, err = process.communicate(data, timeout)
    except subprocess.TimeoutExpired:
        stuck = where(process.pid)
        process.kill()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            pass
        raise Broken("%s did not end in %d s: %s" % (
            " ".join(argv), timeout, stuck)) from None
    if check and process.returncode:
        raise RuntimeError("%s ended with %d%s" % (
            " ".join(argv), process.returncode,
            ": " + err.decode(errors="replace").strip() if err else ""))
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


class Cluster:
    """A PostgreSQL of our own, for all worlds."""

    def __init__(self, build, base, name="cluster"):
        self.build = build
        self.home = os.path.join(base, name)
        self.env = dict(clean_environment(), NTT_HOME=self.home)
        self.start()
        self.url = call(self.program("ntt-db"), "url", env=self.env,
                        stdout=subprocess.PIPE).stdout.decode().strip()
        # it is killed and restarted, the machine is not
        self.sql("ALTER SYSTEM SET fsync = off")
        self.sql("SELECT pg_reload_conf()")

    def start(self):
        done = call(self.program("ntt-db"), "init", "-q", env=self.env,
                    check=False)
        if done.returncode not in (0, 2):
            raise SystemExit("prove: there is no PostgreSQL")

    def program(self, name):
        return os.path.join(self.build, "bin", name)

    def url_of(self, database):
        return self.url.replace("copyjob", database)

    def sql(self, statement, database="postgres"):
        done = call(
            "psql", "-XAtq", "-v", "ON_ERROR_STOP=1",
            self.url_of(database), "-c", statement,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return done.stdout.decode().strip()

    def stop(self):
        call(self.program("ntt-db"), "stop", "-q", env=self.env, check=False)


def clean_environment():
    drop = ("NTT_", "SUDO_", "PG")
    keep = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
    for name in check.DEFAULTS:
        keep.pop(name, None)
    return dict(keep, LC_ALL="C.UTF-8", TZ="UTC")


def unmount(points, images):
    """What is mounted below points, and loops of images, as prefixes."""
    with open("/proc/self/mountinfo", errors="surrogateescape") as f:
        mounted = [line.split()[4] for line in f]
    for p in reversed(mounted):
        if p.startswith(points):
            call("umount", "-l", p, check=False, stderr=subprocess.DEVNULL)
    for name in os.listdir("/sys/block"):
        try:
            with open("/sys/block/%s/loop/backing_file" % name,
                      errors="surrogateescape") as f:
                backing = f.read()
        except OSError:
            continue
        if backing.startswith(images):
            call("losetup", "-d", "/dev/" + name, check=False,
                 stderr=subprocess.DEVNULL)


def clear(base):
    """Whatever lives below a directory of ours ends, so that it can go."""
    for d, _, names in os.walk(base):
        if "postmaster.pid" in names:
            try:
                with open(d + "/postmaster.pid") as f:
                    os.kill(int(f.readline()), signal.SIGQUIT)
            except (OSError, ValueError):
                pass
    mine = os.fsencode(base) + b"/"
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        try:
            with open("/proc/%s/environ" % pid, "rb") as f:
                if not any(e.startswith(b"NTT_HOME=" + mine)
                           for e in f.read().split(b"\0")):
                    continue
            os.kill(int(pid), signal.SIGKILL)
        except OSError:
            continue
    unmount(base + "/", base + "/")
    subprocess.call(["rm", "-rf", "--", base])


def remove(path):
    """Also what was made deeper than names can be."""
    if os.path.islink(path) or not os.path.isdir(path):
        if os.path.lexists(path):
            os.unlink(path)
        return
    call("rm", "-rf", "--", path)


class World:
    serial = 0

    def __init__(self, cluster, base, name):
        self.cluster, self.dir = cluster, os.path.join(base, name)
        os.makedirs(self.dir)
        self.home = os.path.join(self.dir, "home")
        World.serial += 1
        self.db = "w_%d_%s" % (os.getpid(), name.replace("-", "_"))
        self.known = {}
        self.pids = []
        self.env = dict(clean_environment(), NTT_HOME=self.home,
                        HOME=os.path.join(self.dir, "user"),
                        NTT_DB_URL=cluster.url_of(self.db))
        self.env["PATH"] = ":".join([
            os.path.join(cluster.build, "bin"),
            os.path.join(cluster.build, "test", "tools"),
            self.env["PATH"]])
        os.makedirs(self.env["HOME"])

    # ---- state

    def drop(self, database):
        self.cluster.sql('DROP DATABASE IF EXISTS %s WITH (FORCE)' % database)

    def fresh(self, migrate=True):
        remove(self.home)
        os.makedirs(self.home)
        self.drop(self.db)
        self.cluster.sql("CREATE DATABASE %s" % self.db)
        if migrate:
            self.must("ntt-db", "migrate", "-q")

    def save(self, name):
        remove(os.path.join(self.dir, "saved-" + name))
        call("cp", "-a", "--sparse=always", self.home,
             os.path.join(self.dir, "saved-" + name))
        with open(os.path.join(self.dir, name + ".sql"), "wb") as f:
            f.write(b"SET client_min_messages = warning;\n"
                    b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    b"WHERE datname = current_database() AND "
                    b"pid <> pg_backend_pid();\n"
                    b"DROP SCHEMA IF EXISTS public, replacement CASCADE;\n"
                    b"CREATE SCHEMA public;\n")
            f.write(call("pg_dump", self.cluster.url_of(self.db),
                         stdout=subprocess.PIPE).stdout)

    def restore(self, name):
        """As it was saved.  Making a database anew takes three times as
        long as its tables."""
        self.unmount()
        remove(self.home)
        call("cp", "-a", "--sparse=always", os.path.join(
            self.dir, "saved-" + name), self.home)
        call("psql", "-XAtq", "-1", "-v", "ON_ERROR_STOP=1",
             self.cluster.url_of(self.db), "-f",
             os.path.join(self.dir, name + ".sql"),
             stdout=subprocess.DEVNULL)

    def sql(self, statement):
        return self.cluster.sql(statement, self.db)

    def unmount(self):
        """What a killed program may have left, by force."""
        unmount(self.home + "/mnt/", self.dir + "/")

    def close(self):
        self.reap()
        self.unmount()
        self.drop(self.db)

    # ---- programs

    def run(self, *argv, env=None, may_hang=False):
        timeout = 15 if may_hang else 60
        try:
            done = call(
                *argv, env=dict(self.env, **(env or {})), cwd=self.dir,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, timeout=timeout, check=False)
        except Broken:
            if may_hang:
                return Result(TIMED_OUT, b"", "")
            raise
        status = done.returncode
        return Result(status if status >= 0 else 128 - status, done.stdout,
                      done.stderr.decode(errors="replace"))

    def must(self, *argv, ok=(0,)):
        done = self.run(*argv)
        if done.status not in ok:
            raise Broken("%s: exit %d: %s" % (" ".join(argv), done.status,
                                              done.err.strip()))
        return done

    def still_running(self):
        mine = ("NTT_HOME=" + self.home).encode()
        found = []
        for pid in os.listdir("/proc"):
            if not pid.isdigit():
                continue
            try:
                with open("/proc/%s/environ" % pid, "rb") as f:
                    if mine not in f.read().split(b"\0"):
                        continue
                with open("/proc/%s/comm" % pid, errors="replace") as f:
                    name = f.read().strip()
                with open("/proc/%s/stat" % pid, errors="replace") as f:
                    if f.read().rpartition(")")[2].split()[0] == "Z":
                        continue
            except OSError:
                continue
            if name.startswith("ntt-") or name == "ddrescue":
                found.append((int(pid), name))
        return found

    def reap(self, patience=60):
        """Waits until what a killed program had started has ended."""
        end = time.monotonic() + patience
        while self.still_running():
            if time.monotonic() > end:
                raise Broken("still running: %s" % "; ".join(
                    where(pid) for pid, _ in self.still_running()))
            time.sleep(0.01)

    # ---- promises

    def check(self, final=False, sources=None, ignore=()):
        old = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.env)
        end = time.monotonic() + 5
        try:
            while True:
                found = check.Check(final, sources, known=self.known).run()
                found = [f for f in found
                         if f.split(":")[0] not in ignore]
                # servers take a moment to see that a client is gone
                if not any(f.split(":")[0] in ("session", "process", "worker")
                           for f in found) or time.monotonic() > end:
                    break
                time.sleep(0.05)
        finally:
            os.environ.clear()
            os.environ.update(old)
        if found:
            raise Broken("the checker found: " + "; ".join(found[:5]))


# ---- sources

def random_name(rng, taken):
    while True:
        kind = rng.randrange(6)
        if kind == 0:
            name = bytes(rng.choice([b for b in range(1, 256) if b != 47])
                         for _ in range(rng.randrange(1, 9)))
        elif kind == 1:
            name = rng.choice([b"#x", b" lead", b"trail ", b"-rf", b"a\nb",
                               b"x\x1cy", b"\\n", b"caf\xe9", b"p1", b"..."])
            name += b"%d" % rng.randrange(100)
        elif kind == 2:
            name = b"n" * rng.randrange(200, 256)
        else:
            name = b"file%d" % rng.randrange(10000)
        if name not in (b".", b"..") and name not in taken:
            taken.add(name)
            return name


def random_tree(rng, root, entries):
    """Files of few contents and sizes, so that many are equal in one of
    them only; links of both kinds; names of every byte."""
    os.makedirs(root, exist_ok=True)
    dirs, files = [os.fsencode(root)], []
    taken = {}
    pool = [rng.randbytes(rng.choice([0, 1, 2, 100, 4096, 5000, 70000]))
            for _ in range(6)]
    for _ in range(entries):
        d = rng.choice(dirs)
        path = os.path.join(d, random_name(rng, taken.setdefault(d, set())))
        what = rng.randrange(12)
        if what == 0 and len(path) < 1500:
            os.mkdir(path)
            dirs.append(path)
        elif what == 1 and files:
            os.link(rng.choice(files), path)
        elif what == 2:
            os.symlink(rng.choice([b"target", b"\xff\n", b"/etc/passwd",
                                   b"../x"]), path)
        elif what == 3:
            os.mkfifo(path)
        else:
            data = rng.choice(pool)
            if what < 7 and data:      # the same size, other bytes
                at = rng.randrange(len(data))
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
            with open(path, "wb") as f:
                f.write(data)
            os.utime(path, (rng.randrange(-10000, 1 << 32),) * 2)
            files.append(path)
    return root


def make_image(tree, image, mib=8):
    with open(image, "wb") as f:
        f.truncate(mib << 20)
    call("mkfs.ext4", "-q", "-d", tree, image,
         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def map_of(image):
    """The parts of the map beside an image; none when there is no map."""
    parts, name = [], image[:-4] + ".map"
    if not os.path.exists(name):
        return parts
    with open(name) as f:
        lines = [line.split() for line in f if not line.startswith("#")]
    for pos, size, status in lines[1:]:
        parts.append((int(pos, 0), int(size, 0), status))
    return parts


def lost(image):
    return [p[:2] for p in map_of(image) if p[2] != "+"]


def true_to_map(source, image):
    """What the map calls rescued is what was there."""
    parts = [p for p in map_of(image) if p[2] == "+"]
    if not parts:
        return
    with open(source, "rb") as a, open(image, "rb") as b:
        for pos, size, _ in parts:
            a.seek(pos)
            b.seek(pos)
            if a.read(size) != b.read(size):
                raise Broken("the image differs from its source between %d "
                             "and %d, rescued by its map" % (pos, pos + size))


def can_mount():
    return os.geteuid() == 0 and os.path.exists("/dev/loop-control") and \
        shutil.which("losetup") is not None


def small_tree(root):
    """What is worth a step: equal and unequal contents, links, an empty
    file, one that is more than a buffer, odd names."""
    root = os.fsencode(root)
    os.makedirs(root + b"/d/e")
    rng = random.Random(7)

    def put(name, data):
        with open(root + b"/" + name, "wb") as f:
            f.write(data)

    put(b"one", b"one\n")
    put(b"d/same", b"one\n")
    put(b"d/two", b"two\n")
    put(b"d/\xff\n\x1c", b"six\n")
    put(b"d/e/empty", b"")
    put(b"large", rng.randbytes(1500000))
    os.link(root + b"/d/two", root + b"/name of two")
    os.symlink(b"target", root + b"/link")
    os.mkfifo(root + b"/fifo")
    return os.fsdecode(root)


def is_mountpoint(path):
    return os.path.ismount(path)


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)
