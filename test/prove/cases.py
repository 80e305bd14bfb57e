"""Cases of a scenario: one disturbance each, then the promises, then the same
command again, then the promises of what is finished."""
import os
import re
import struct

import order
from world import FAMILIES, TIMED_OUT, Broken

KINDS = ("order", "race", "fault", "sql", "kill", "term", "sim")

# What can happen to a call.  With + it goes on happening.
FAULTS = {
    "write": ("1+:ENOSPC", "1:EIO", "1:EINTR", "1:short"),
    "sync": ("1:EIO", "1+:ENOSPC"),
    "rename": ("1:EIO", "1+:ENOSPC"),
    "link": ("1:EIO", "1+:ENOSPC"),
    "open": ("1:EIO", "1+:EMFILE"),
    "mkdir": ("1+:ENOSPC", "1:EIO"),
    "malloc": ("1:ENOMEM", "1+:ENOMEM"),
    "read": ("1:EIO", "1:EINTR", "1:short"),
    "unlink": ("1:EIO",),
    "close": ("1:EIO",),
    "send": ("1:ECONNRESET",),
    "recv": ("1:ECONNRESET",),
    "fork": ("1:EAGAIN",),
    "truncate": ("1+:ENOSPC",),
    "stat": ("1:EIO",),
    "mount": ("1:EPERM",),
}
# What no program may even notice.
HARMLESS = ("EINTR", "short")
MOST_OF_A_FAMILY = 150


class Case:
    def __init__(self, s, kind, detail):
        self.s, self.kind, self.detail = s, kind, detail
        self.name = "%s/%s%s" % (s.name, kind, "/" + detail if detail else "")

    def run(self):
        self.s.restore()
        getattr(self, "do_" + self.kind)()

    # ---- what was disturbed

    def now(self):
        """What holds at every moment."""
        s = self.s
        s.w.reap()
        s.moment()
        if not s.early:
            try:
                sources = s.sources()
            except Broken:
                sources = {}
            s.w.check(False, sources, s.ignore + getattr(s, "broken", ()))

    def again(self):
        s = self.s
        done = s.w.run(*s.command())
        if done.status not in s.again + s.ok:
            raise Broken("run again, it ends with %d: %s" % (
                done.status, done.err.strip()))
        self.complete()

    def complete(self):
        s = self.s
        s.complete()
        if "NTT_DB_URL" not in s.w.env:
            return
        left = s.w.sql("SELECT count(*) FROM inode WHERE status::text "
                       "LIKE 'failed%'")
        if left != "0":
            raise Broken("%s inodes are blamed: %s" % (left, s.w.sql(
                "SELECT errors FROM inode WHERE status::text LIKE "
                "'failed%' LIMIT 1")))

    def said(self, done):
        """One clear line, whoever ends without success."""
        if done.status == 3 and done.out:
            return      # findings
        if "in libarchive: Out of memory" in done.err:
            return      # it ends the program by itself
        if not re.search(r"^ntt-[a-z-]+: .", done.err, re.M):
            raise Broken("exit %d and it says \"%s\"" % (
                done.status, done.err.strip()))

    # ---- faults

    def environment(self, fault):
        w = self.s.w
        counts = os.path.join(w.dir, "counts")
        if os.path.exists(counts):
            os.unlink(counts)
        return {"LD_PRELOAD": os.path.join(
                    w.cluster.build, "test", "preload", "fault.so"),
                "NTT_FAULT_IN": self.s.program, "NTT_FAULT": fault,
                "NTT_FAULT_COUNTS": counts}

    def counts(self):
        try:
            with open(os.path.join(self.s.w.dir, "counts"), "rb") as f:
                n = struct.unpack("%dQ" % (len(FAMILIES) + 1), f.read())
        except (FileNotFoundError, struct.error):
            raise Broken("%s was not run" % self.s.program) from None
        return dict(zip(FAMILIES, n)), n[-1]

    def do_fault(self):
        s = self.s
        done = s.w.run(*s.command(), env=self.environment(self.detail),
                       may_hang="malloc" in self.detail)
        reached = self.counts()[1]
        if done.status in s.ok:
            if reached and s.durable and self.detail.startswith("sync:"):
                raise Broken("a sync failed, and exit 0 says durable")
            s.w.reap()
            self.complete()
            return
        if not reached:
            raise Broken("nothing failed, and it ends with %d: %s" % (
                done.status, done.err.strip()))
        # libpq 15 may wait for ever after it found no memory
        if done.status == TIMED_OUT and "malloc" in self.detail:
            self.now()
            self.again()
            return
        if self.s.mime and self.detail.startswith("malloc:") and \
                "signal" in done.err + "signal" * (done.status >= 128):
            self.now()
            self.again()
            return
        if done.status >= 128:
            raise Broken("it ends with signal %d: %s" % (
                done.status - 128, done.err.strip()))
        if self.detail.rpartition(":")[2] in HARMLESS and \
                not s.reads_by_others:
            raise Broken("a call that did half, or nothing yet, is no "
                         "failure; exit %d: %s" % (done.status,
                                                   done.err.strip()))
        self.said(done)
        self.now()
        self.s.failed()
        self.again()

    # ---- statements that fail

    def do_sql(self):
        s = self.s
        trap_statements(s.w, int(self.detail))
        done = s.w.run(*s.command())
        s.w.reap()
        s.w.sql(UNTRAP)
        if done.status in s.ok:
            self.complete()
            return
        if done.status >= 128:
            raise Broken("it ends with signal %d" % (done.status - 128))
        self.said(done)
        self.now()
        self.again()

    # ---- kills

    def do_kill(self):
        s = self.s
        done = s.w.run("stepper", "kill", self.detail, *s.command())
        if done.status == 99:
            s.w.reap()
            self.complete()
            return
        if done.status != 137:
            raise Broken("it ends with %d: %s" % (done.status, done.err))
        self.now()
        self.again()

    def do_term(self):
        s = self.s
        done = s.w.run("stepper", "term", self.detail, *s.command())
        if done.status == 99 or done.status in s.ok:
            s.w.reap()
            self.complete()
            return
        if done.status not in (143, 75):
            raise Broken("SIGTERM ends it with %d: %s" % (
                done.status, done.err.strip()))
        self.now()
        self.again()

    def do_race(self):
        self.s.race()

    # ---- the order of things

    def do_order(self):
        s = self.s
        log = os.path.join(s.w.dir, "trace")
        done = s.w.run(*order.strace(log), *s.command())
        if done.status not in s.ok:
            raise Broken("nothing was disturbed, and it ends with %d: %s" % (
                done.status, done.err.strip()))
        s.w.reap()
        wrong = order.check(log, s.w)
        if wrong:
            raise Broken("\n".join(wrong[:5]))
        self.complete()


UNTRAP = "DROP SCHEMA prove CASCADE"


def trap_statements(w, n):
    """The Nth statement that changes a table will fail, as if PostgreSQL's
    disk were full, or somebody's lock were in the way."""
    tables = w.sql(
        "SELECT string_agg(oid::regclass::text, ' ') FROM pg_class WHERE "
        "relnamespace = 'public'::regnamespace AND relkind = 'r' AND "
        "relname <> 'schema_version'").split()
    w.sql("CREATE SCHEMA prove; CREATE SEQUENCE prove.n; "
          "CREATE FUNCTION prove.trap() RETURNS trigger LANGUAGE plpgsql AS "
          "$$ BEGIN IF nextval('prove.n') = %d THEN RAISE EXCEPTION "
          "'the trap of this test' USING ERRCODE = '%s'; END IF; "
          "RETURN NULL; END $$; GRANT ALL ON SCHEMA prove TO public; "
          "GRANT ALL ON SEQUENCE prove.n TO public; " % (
              n, ("53100", "40P01")[n % 2]) + " ".join(
                  "CREATE TRIGGER prove BEFORE INSERT OR UPDATE OR DELETE "
                  "ON %s FOR EACH STATEMENT EXECUTE FUNCTION prove.trap();"
                  % t for t in tables))


def count_statements(s):
    s.restore()
    trap_statements(s.w, 0)
    s.w.run(*s.command())
    s.w.reap()
    n = int(s.w.sql("SELECT CASE WHEN is_called THEN last_value ELSE 0 END "
                    "FROM prove.n"))
    s.w.sql(UNTRAP)
    return n


def mixed(rng, groups, most):
    """All kinds of disturbances early, each group in a random order."""
    out = []
    for g in groups:
        rng.shuffle(g)
        del g[most:]
    while any(groups):
        for g in groups:
            if g:
                out.append(g.pop())
    return out


def fault_cases(s):
    """Every call of a run that nothing disturbs, and one more."""
    probe = Case(s, "fault", "none:0:EIO")
    s.restore()
    done = s.w.run(*s.command(), env=probe.environment("none:0:EIO"))
    if done.status not in s.ok:
        raise Broken("exit %d: %s" % (done.status, done.err.strip()))
    s.w.reap()
    counts = probe.counts()[0]
    probe.complete()
    for family, kinds in FAULTS.items():
        for kind in kinds:
            at, _, error = kind.partition(":")
            yield [Case(s, "fault", "%s:%d%s:%s" % (family, n, at[1:], error))
                   for n in range(1, counts[family] + 2)]


def count_steps(s):
    steps = os.path.join(s.w.dir, "steps")
    s.restore()
    s.w.run("stepper", "count", steps, *s.command())
    s.w.reap()
    with open(steps) as f:
        return int(f.read())


def all_of(s, rng, a, kinds):
    """Every case of these kinds of a scenario that is prepared."""
    groups = []
    if "fault" in kinds:
        groups += fault_cases(s)
    if "sql" in kinds and not s.early:
        groups.append([Case(s, "sql", str(n))
                       for n in range(1, count_statements(s) + 2)])
    steps = count_steps(s) if {"kill", "term"} & kinds else 0
    for kind in sorted({"kill", "term"} & kinds):
        groups.append([Case(s, kind, str(n)) for n in range(1, steps + 2)])
    most = s.most if hasattr(s, "most") else \
        10 ** 9 if a.all or a.list else MOST_OF_A_FAMILY
    first = [Case(s, "order", "")] if s.ordered else []
    if hasattr(s, "race"):
        first.append(Case(s, "race", ""))
    return first + mixed(rng, groups, most)


def named(s, names):
    """The cases of a scenario that were asked for by their names."""
    found = []
    for name in names:
        scenario, _, rest = name.partition("/")
        kind, _, detail = rest.partition("/")
        if scenario == s.name and hasattr(Case, "do_" + kind):
            found.append(Case(s, kind, detail))
    return found
