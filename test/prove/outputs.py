"""Programs that write what is neither in the store nor in the catalogue:
images, pages and bags, a PostgreSQL of one's own."""
import hashlib
import os
import random
import re
import signal
import time

import world
from scenarios import COPY, M, Scenario, scenario
from world import Broken


@scenario
class Imager(Scenario):
    """A disk with a bad sector; ddrescue does the reading."""
    name, program = "imager", "ntt-imager"
    ok, again = (3,), (3,)
    finish = (COPY,)
    BAD, SECTOR = 0x40200, 512

    def prepare(self):
        super().prepare()
        with open(self.image, "wb") as f:
            f.write(random.Random(3).randbytes(1 << 20))
        with open(self.image + ".bad", "w") as f:
            f.write("0x0 + 1\n0x0 %d +\n%d %d -\n%d %d +\n" % (
                self.BAD, self.BAD, self.SECTOR, self.BAD + self.SECTOR,
                (1 << 20) - self.BAD - self.SECTOR))

    def setup(self):
        self.load()
        os.makedirs(self.w.home + "/out")

    def out(self):
        return os.path.join(self.w.home, "out", "disk.img")

    def command(self):
        return ["ntt-imager", "-q", "--test-mode", self.image + ".bad",
                self.image, self.out()]

    def moment(self):
        world.true_to_map(self.image, self.out())

    def complete(self):
        self.w.reap()
        world.true_to_map(self.image, self.out())
        with open(self.image, "rb") as f, open(self.out(), "rb") as g:
            want, got = bytearray(f.read()), g.read()
        want[self.BAD:self.BAD + self.SECTOR] = bytes(self.SECTOR)
        if got != want:
            raise Broken("the image is not the disk with a sector of zeros")
        parts = world.map_of(self.out())
        if world.lost(self.out()) != [(self.BAD, self.SECTOR)] or \
                sum(p[1] for p in parts) != 1 << 20:
            raise Broken("the map says %s" % parts)
        super().complete()


class Output(Scenario):
    def setup(self):
        self.copy()
        os.makedirs(self.w.home + "/reports")

    def out(self):
        return os.path.join(self.w.home, "reports", self.what)

    def complete(self):
        if not self.moment():
            raise Broken("there is no %s" % self.what)
        left = os.listdir(self.w.home + "/reports")
        # a process that was killed may have left a name of its own
        left = [n for n in left if n != self.what and not n.endswith(".tmp")]
        if left:
            raise Broken("left behind: %s" % left)
        super().complete()


@scenario
class Report(Output):
    name, program, what = "report", "ntt-report", "page.html"

    def command(self):
        return ["ntt-report", "-q", "-o", self.out(), M]

    def moment(self):
        """Nothing, or the whole page."""
        if not os.path.exists(self.out()):
            return False
        with open(self.out(), "rb") as f:
            page = f.read()
        if not page.rstrip().endswith(b"</html>") or \
                page.count(b"<tr") < 10:
            raise Broken("half a page: %s" % page[-100:])
        return True


@scenario
class Bag(Output):
    name, program, what = "bag", "ntt-report", "bag"
    ignore = ("blob-links",)     # its files are links where they can be

    def command(self):
        return ["ntt-report", "-q", "--bagit", self.out(), M]

    def moment(self):
        """Nothing, or the whole bag, by other means."""
        bag = self.out()
        if not os.path.exists(bag):
            return False
        listed = {}
        for m in ("manifest-sha512.txt", "tagmanifest-sha512.txt"):
            with open(os.path.join(bag, m), "rb") as f:
                for line in f:
                    want, name = line.rstrip(b"\n").split(b"  ", 1)
                    name = name.replace(b"%0A", b"\n").replace(
                        b"%0D", b"\r").replace(b"%25", b"%")
                    listed[os.path.join(os.fsencode(bag), name)] = want
        there = {os.path.join(d, n) for d, _, names in os.walk(
            os.fsencode(bag)) for n in names}
        there.discard(os.fsencode(bag) + b"/tagmanifest-sha512.txt")
        if there != set(listed):
            raise Broken("in one of bag and manifests: %s" % (
                there ^ set(listed)))
        for name, want in listed.items():
            with open(name, "rb") as f:
                if hashlib.sha512(f.read()).hexdigest().encode() != want:
                    raise Broken("half a file in the bag: %s" % name)
        with open(bag + "/bag-info.txt") as f:
            lost = int(re.search(r"Lost-By-The-Store: (\d+)", f.read())[1])
        # five tag files: bag-info, bagit, links, metadata, manifest
        if len(there) + lost != 7 + 5:
            raise Broken("%d files in the bag, %d said to be lost" % (
                len(there), lost))
        return True


@scenario
class Init(Scenario):
    """The private PostgreSQL, which is not that of the other scenarios."""
    name, program = "db-init", "ntt-db"
    most = 4            # of a kind: it takes long
    early, ordered = True, False

    def __init__(self, w):
        super().__init__(w)
        w.env.pop("NTT_DB_URL")

    def prepare(self):
        os.makedirs(self.w.home)

    def stop(self):
        self.w.reap()
        pid = self.w.home + "/pg/data/postmaster.pid"
        if not os.path.exists(pid):
            return
        with open(pid) as f:
            pid = f.readline().strip()
        if pid:
            try:
                os.kill(int(pid), signal.SIGQUIT)
            except ProcessLookupError:
                pass
            end = time.monotonic() + 30
            while os.path.exists("/proc/" + pid):
                if time.monotonic() > end:
                    raise Broken("PostgreSQL does not end: %s" %
                                 world.where(int(pid)))
                time.sleep(0.01)

    def restore(self):
        self.stop()
        world.remove(self.w.home)
        os.makedirs(self.w.home)

    def command(self):
        return ["ntt-db", "init", "-q"]

    def complete(self):
        self.w.must("ntt-db", "migrate", "-q", ok=(0, 2))
        self.w.must("ntt-db", "check")
        self.w.must("ntt-db", "stop", "-q")
        self.w.must("ntt-db", "init", "-q", ok=(0, 2))
        self.w.must("ntt-db", "check")
        self.stop()
