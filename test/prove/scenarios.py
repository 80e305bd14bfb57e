"""The programs that write, each in a state where it has work to do: how the
state is made, the command, and what finishes the medium afterwards."""
import os
import subprocess
import time

import world

M = "aaaabbbbccccdddd0000111122223333"
SCENARIOS = {}


def scenario(cls):
    SCENARIOS[cls.name] = cls
    return cls


class Scenario:
    """ok: what the command may say when nothing disturbs it.  again: what it
    may say the second time, when all may be done."""
    name = program = None
    ok, again = (0,), (0, 2)
    needs_mount = False
    reads_by_others = False     # libraries that give up at EINTR
    early = False
    ordered = True      # False: what it starts does not end, so no strace
    durable = True              # False: it syncs notes for itself only
    mime = False                # libmagic dies where there is no memory
    ignore = ()         # of the checker
    finish = ()         # commands after the command

    def __init__(self, w):
        self.w = w
        self.src = os.path.join(w.dir, "src-" + self.name)
        self.image = os.path.join(w.dir, self.name + ".img")

    def prepare(self):
        self.w.fresh()
        world.small_tree(self.src)
        # a log that cannot be made fails nothing
        for d in ("log", "run", "mnt"):
            os.makedirs(os.path.join(self.w.home, d), exist_ok=True)
        self.setup()
        self.w.save(self.name.replace("-", "_"))

    def restore(self):
        self.w.restore(self.name.replace("-", "_"))

    def raw(self):
        return os.path.join(self.w.home, "raw", M + ".raw")

    def setup(self):
        pass

    def sources(self):
        return {M: self.src}

    def moment(self):
        """What must hold whenever it was broken off."""

    def failed(self):
        """What must hold after a failure that was told."""

    def complete(self):
        """After the last command: everything is done, and right."""
        for argv in self.finish:
            self.w.must(*argv, ok=(0, 2))
        self.w.reap()
        self.w.check(True, self.sources(), self.ignore)

    def enumerate(self):
        self.w.must("ntt-enum", "-q", self.src, M, self.raw())

    def load(self):
        self.enumerate()
        self.w.must("ntt-loader", "-q", self.raw(), M)

    def copy(self):
        self.load()
        self.w.must("ntt-copier", "-q", "-m", M)


COPY = ("ntt-copier", "-q", "-m", M)


@scenario
class Enum(Scenario):
    name, program = "enum", "ntt-enum"

    def command(self):
        return ["ntt-enum", "-q", self.src, M, self.raw()]

    def complete(self):
        self.w.must("ntt-loader", "-q", self.raw(), M, ok=(0, 2))
        self.w.must(*COPY, ok=(0, 2))
        super().complete()


@scenario
class Loader(Scenario):
    name, program = "loader", "ntt-loader"
    finish = (COPY,)

    def setup(self):
        self.enumerate()

    def command(self):
        return ["ntt-loader", "-q", self.raw(), M]


@scenario
class LoaderReplace(Scenario):
    name, program = "loader-replace", "ntt-loader"
    finish = (COPY,)
    broken = ("list-catalogue", "source-paths")

    def setup(self):
        self.load()
        with open(self.src + "/later", "w") as f:
            f.write("later\n")
        self.enumerate()

    def command(self):
        return ["ntt-loader", "-q", "--replace", self.raw(), M]


@scenario
class Copier(Scenario):
    name, program = "copier", "ntt-copier"

    def setup(self):
        self.load()

    def command(self):
        return ["ntt-copier", "-q", "-m", M, "--batch-size", "2",
                "--mime", self.mime and "always" or "never"]


@scenario
class CopierParanoid(Copier):
    name = "copier-paranoid"
    mime = True

    def command(self):
        return super().command() + ["--paranoid"]


@scenario
class Workers(Scenario):
    name, program = "workers", "ntt-copy-workers"
    mime = True
    durable = False             # the list of its workers is all it writes

    def setup(self):
        self.load()

    def command(self):
        return ["ntt-copy-workers", "-q", "-m", M, "-w", "2", "--wait"]


@scenario
class WorkersCopier(Workers):
    """The failure is in the workers, their parent has to tell."""
    name, program = "workers-copier", "ntt-copier"
    durable = True


@scenario
class Archiver(Scenario):
    name, program = "archiver", "ntt-archiver"

    def setup(self):
        self.copy()
        w = self.w
        os.makedirs(w.home + "/img", exist_ok=True)
        image = w.home + "/img/" + M + ".img"
        world.make_image(self.src, image, 4)
        with open(w.home + "/img/" + M + ".map", "w") as f:
            f.write("0x0 + 1\n0x0 0x400000 +\n")
        w.sql("UPDATE medium SET source_kind = 'image', source_path = NULL")

    def command(self):
        return ["ntt-archiver", "-q", M]

    def complete(self):
        super().complete()
        for d in ("img", "raw"):
            left = os.listdir(os.path.join(self.w.home, d))
            if left:
                raise world.Broken("sources left: %s" % left)


@scenario
class ReHardlink(Scenario):
    name, program = "re-hardlink", "ntt-re-hardlink"
    ignore = ()
    broken = ("tree-link", "tree-lost")

    def setup(self):
        self.copy()
        tree = os.path.join(self.w.home, "archived", M)
        os.unlink(tree + "/one")
        os.unlink(tree + "/link")
        with open(tree + "/copy", "wb") as to, \
                open(tree + "/large", "rb") as f:
            to.write(f.read())
        os.rename(tree + "/copy", tree + "/large")

    def command(self):
        return ["ntt-re-hardlink", "-q", "-m", M, "--batch-size", "2"]


@scenario
class RecoverFailed(Scenario):
    name, program = "recover-failed", "ntt-recover-failed"
    finish = (COPY,)

    def setup(self):
        self.load()
        os.rename(self.src + "/one", self.src + "/away")
        self.w.must("ntt-copier", "-q", "-m", M, ok=(3,))
        os.rename(self.src + "/away", self.src + "/one")

    def command(self):
        return ["ntt-recover-failed", "reset-failures", "-q", "-m", M,
                "--execute"]


@scenario
class MarkExcluded(Scenario):
    name, program = "mark-excluded", "ntt-mark-excluded"
    finish = (COPY,)

    def setup(self):
        self.load()
        with open(self.w.dir + "/patterns", "w") as f:
            f.write("^d/\nlarge\n")

    def command(self):
        return ["ntt-mark-excluded", "-q", M, "--patterns",
                self.w.dir + "/patterns"]

    def complete(self):
        super().complete()
        got = self.w.sql("SELECT count(*) FROM path WHERE exclude_reason "
                         "IS NOT NULL")
        if got != "6":
            raise world.Broken("%s paths are excluded" % got)


@scenario
class Verify(Scenario):
    name, program = "verify", "ntt-verify"
    durable = False

    def setup(self):
        self.copy()

    def command(self):
        return ["ntt-verify", "-q", "-m", M, "--sample-rate", "1", "-w", "1"]

    def complete(self):
        super().complete()
        got = self.w.sql("SELECT count(*) FROM blobs WHERE last_checked "
                         "IS NULL")
        if got != "0":
            raise world.Broken("%s blobs were not checked" % got)


@scenario
class MigrateEmpty(Scenario):
    name, program = "migrate-empty", "ntt-verify"
    OLD = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    NEW = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    broken = ("store-bytes", "success-blob", "source-bytes", "blob-row",
              "blob-file")

    def setup(self):
        self.copy()
        root = self.w.home + "/by-hash/"
        os.makedirs(root + "e3/b0")
        os.rename(root + "af/13/" + self.NEW, root + "e3/b0/" + self.OLD)
        self.w.sql("INSERT INTO blobs SELECT '%s', size, created_at, NULL, "
                   "n_hardlinks FROM blobs WHERE blobid = '%s'; "
                   "UPDATE inode SET blobid = '%s' WHERE blobid = '%s'; "
                   "DELETE FROM blobs WHERE blobid = '%s'" % (
                       self.OLD, self.NEW, self.OLD, self.NEW, self.NEW))

    def command(self):
        return ["ntt-verify", "-q", "--migrate-empty"]


@scenario
class Mount(Scenario):
    name, program = "mount", "ntt-mount-helper"
    needs_mount = reads_by_others = True

    def setup(self):
        world.make_image(self.src, self.image)

    def sources(self):
        return {}

    def command(self):
        return ["ntt-mount-helper", "-q", "mount", M, self.image]

    def failed(self):
        if os.path.ismount(os.path.join(self.w.home, "mnt", M)):
            raise world.Broken("it says that it failed, and it is mounted")

    def complete(self):
        point = os.path.join(self.w.home, "mnt", M)
        if not os.path.ismount(point):
            raise world.Broken("it is not mounted")
        subprocess.run(["cmp", self.src + "/large", point + "/large"],
                       check=True)
        self.w.must("ntt-mount-helper", "-q", "unmount", M)
        super().complete()


@scenario
class Unmount(Mount):
    name = "unmount"

    def setup(self):
        super().setup()

    def restore(self):
        super().restore()
        self.w.must("ntt-mount-helper", "-q", "mount", M, self.image)

    def command(self):
        return ["ntt-mount-helper", "-q", "unmount", M]

    def failed(self):
        pass

    def complete(self):
        Scenario.complete(self)


@scenario
class Orchestrator(Scenario):
    name, program = "orchestrator", "ntt-orchestrator"

    def command(self):
        return ["ntt-orchestrator", "-q", self.src]

    def sources(self):
        out = self.w.sql("SELECT medium_hash FROM medium")
        if not out:
            raise world.Broken("there is no medium")
        return {out: self.src}

    def complete(self):
        super().complete()
        if self.w.sql("SELECT count(*) FROM medium WHERE archived_at "
                      "IS NOT NULL") != "1":
            raise world.Broken("it is not archived")


@scenario
class OrchestratorImage(Scenario):
    name, program = "orchestrator-image", "ntt-orchestrator"
    needs_mount = True

    def setup(self):
        world.make_image(self.src, self.image)

    def command(self):
        return ["ntt-orchestrator", "-q", "--image", self.image]

    def sources(self):
        return {}

    def complete(self):
        super().complete()
        if self.w.sql("SELECT count(*) FROM medium WHERE archived_at "
                      "IS NOT NULL") != "1":
            raise world.Broken("it is not archived")
        if self.w.sql("SELECT count(*) FROM inode WHERE status = "
                      "'success' AND fs_type = 'f'") != "6":
            raise world.Broken("not all files of the image were copied")


@scenario
class Partitions(OrchestratorImage):
    """Two file systems whose inodes have the same numbers."""
    name = "partitions"

    def setup(self):
        w, parts = self.w, []
        for n in (1, 2):
            tree = "%s-%d" % (self.src, n)
            os.makedirs(tree)
            for name in ("a", "b", "c"):
                with open("%s/%s" % (tree, name), "w") as f:
                    f.write("%s of %d\n" % (name, n))
            parts.append("%s/part-%d" % (w.dir, n))
            world.make_image(tree, parts[-1], 4)
        with open(self.image, "wb") as f:
            f.truncate(10 << 20)
        subprocess.run(["sfdisk", "-q", self.image], check=True,
                       input=b"label: dos\nstart=2048, size=8192\n"
                       b"start=10240, size=8192\n")
        for n, part in enumerate(parts):
            subprocess.run(["dd", "if=" + part, "of=" + self.image,
                            "bs=1M", "seek=%d" % (1 + 4 * n), "conv=notrunc",
                            "status=none"], check=True)

    def complete(self):
        Scenario.complete(self)
        medium = self.w.sql("SELECT medium_hash FROM medium")
        for n in (1, 2):
            for name in ("a", "b", "c"):
                with open("%s/archived/%s/p%d/%s" % (
                        self.w.home, medium, n, name)) as f:
                    got = f.read()
                if got != "%s of %d\n" % (name, n):
                    raise world.Broken("p%d/%s holds \"%s\"" % (
                        n, name, got))


@scenario
class Crowd(Scenario):
    """More than one range of work, and more than one worker."""
    name, program = "crowd", "ntt-copier"
    mime = True
    most = 3            # of a kind: it takes long

    def setup(self):
        for i in range(2600):
            with open("%s/%d" % (self.src, i), "w") as f:
                f.write("%d\n" % (i % 2000))
        self.load()

    def command(self):
        return ["ntt-copy-workers", "-q", "-m", M, "-w", "4", "--wait"]

    def race(self):
        """Four workers ask for work in the same moment, because until then
        somebody has it all: each range may go to one of them only."""
        w = self.w
        w.must("ntt-copier", "-q", "-m", M, "--limit", "1")
        other = subprocess.Popen(
            ["psql", "-XAtq", w.env["NTT_DB_URL"]], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        other.stdin.write(b"BEGIN; SELECT number FROM work_range ORDER BY "
                          b"number FOR UPDATE;\n\\echo locked\n")
        other.stdin.flush()
        while other.stdout.readline() != b"locked\n":
            pass
        copiers = [subprocess.Popen(
            ["ntt-copier", "-q", "-m", M, "--mime", "never"], env=w.env,
            stderr=subprocess.PIPE) for _ in range(4)]
        time.sleep(1)
        other.communicate(b"COMMIT;\n")
        for c in copiers:
            err = c.communicate()[1]
            if c.returncode not in (0, 2):
                raise world.Broken("a worker ends with %d: %s" % (
                    c.returncode, err.decode()))
        w.must(*self.command(), ok=(0, 2))
        self.complete()


@scenario
class Migrate(Scenario):
    name, program = "db-migrate", "ntt-db"
    early = True        # there is no schema to look at before

    def prepare(self):
        self.w.fresh(migrate=False)
        world.small_tree(self.src)
        self.w.save("db_migrate")

    def command(self):
        return ["ntt-db", "migrate", "-q"]

    def complete(self):
        self.copy()
        super().complete()


@scenario
class CheckMultipart(Scenario):
    name, program = "check-multipart", "ntt-check-multipart"
    ok, again = (0, 1, 3), (0, 1, 3)
    durable = False

    def setup(self):
        Archiver.setup(self)
        self.w.must("ntt-archiver", "-q", M)

    def command(self):
        return ["ntt-check-multipart", "-q", "--min-size", "1"]
