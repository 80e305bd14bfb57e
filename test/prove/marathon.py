"""Two media at once, copied by 1, 4 and 16 workers each, of which some or all
are killed at a random time, again and again; the checker after each time."""
import os
import random
import signal
import subprocess
import time

import world
from world import Broken

ROUNDS = 20             # of a case, in which somebody was killed
CROWDS = (1, 4, 16)
PATIENCE = 90
SLACK = 15              # seconds to end in


class Marathon:
    def __init__(self, cluster, base, seed, until, verbose):
        self.cluster, self.base, self.seed = cluster, base, seed
        self.until, self.verbose = until, verbose
        self.rng = random.Random(seed)
        self.name = "marathon/%d" % seed
        self.trail = []
        self.media = {}

    def note(self, text, *args):
        self.trail.append(text % args)
        if self.verbose:
            print("    %s" % self.trail[-1], flush=True)

    def prepare(self):
        self.w.fresh()
        for n in range(2):
            tree = os.path.join(self.w.dir, "tree-%d" % n)
            world.random_tree(self.rng, tree, 500)
            medium = "%032x" % (self.rng.getrandbits(128) | 1)
            raw = os.path.join(self.w.home, "raw", medium + ".raw")
            self.w.must("ntt-enum", "-q", tree, medium, raw)
            self.w.must("ntt-loader", "-q", raw, medium)
            self.media[medium] = tree
        self.w.save("marathon")

    def one_round(self, crowd):
        """How many were killed: none when all had ended before."""
        started = [subprocess.Popen(
            ["ntt-copier", "-q", "-m", m, "--batch-size",
             str(self.rng.choice((1, 3, 20)))],
            env=self.w.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for m in self.media for _ in range(crowd)]
        time.sleep(self.rng.random() ** 2 * (0.5 + 0.03 * crowd))
        self.rng.shuffle(started)
        some = started[:self.rng.choice((1, len(started), len(started)))]
        killed = 0
        for p in some:
            if p.poll() is None:
                p.send_signal(signal.SIGKILL)
                killed += 1
        for p in started:
            try:
                p.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise Broken("a copier did not end: %s" %
                             world.where(p.pid)) from None
            if p.returncode not in (0, 2, -signal.SIGKILL):
                raise Broken("a copier ended with %d" % p.returncode)
        self.note("%d workers for each of two media, %d killed", crowd,
                  killed)
        self.w.reap()
        self.w.check(False, self.media)
        return killed

    def finish(self):
        for m in self.media:
            self.w.must("ntt-copy-workers", "-q", "-m", m, "-w", "2",
                        "--wait", ok=(0, 2))
        self.w.check(True, self.media)
        self.note("finished")
        self.w.restore("marathon")

    def run(self):
        began = time.monotonic()
        self.w = world.World(self.cluster, self.base,
                             "marathon-%d" % self.seed)
        kills = rounds = tried = 0
        try:
            self.prepare()
            while rounds < ROUNDS and tried < 4 * ROUNDS and \
                    time.monotonic() < self.until - SLACK:
                killed = self.one_round(CROWDS[rounds % len(CROWDS)])
                kills += killed
                rounds += killed > 0
                tried += 1
                if not killed or tried % 7 == 6:
                    self.finish()
            self.finish()
        except (Broken, RuntimeError, OSError, world.check.CannotLook) as e:
            raise Broken("%s\nbefore that:\n  %s" % (
                e, "\n  ".join(self.trail[-8:]))) from None
        finally:
            self.w.close()
            world.remove(self.w.dir)
        print("kept %s: %d rounds, %d killed, %.0f s" % (
            self.name, rounds, kills, time.monotonic() - began), flush=True)


def cases(a, cluster, base, number, until):
    verbose = a.verbose or len(a.case) == 1
    for c in a.case:
        if c.startswith("marathon/"):
            yield Marathon(cluster, base, int(c[9:]), until, verbose)
    n = 0
    while not a.case and not a.list and \
            time.monotonic() < until - 2 * SLACK:
        yield Marathon(cluster, base, a.seed * 1000 + number * 100 + n, until,
                       verbose)
        n += 1
