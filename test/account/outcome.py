"""What NTT has of a medium: its catalogue, its store, its omissions."""
import glob, json, os, subprocess


class Found:
    def __init__(self, status, blob):
        self.status, self.blob = status, blob
        self.undetermined, self.lost = False, []


class Outcome:
    def __init__(self, work, env, status):
        self.env, self.status = env, status
        self.store = env["BYHASH_ROOT"]
        self.files, self.omissions = {}, set()
        self.directories = {b""}
        told = subprocess.run(["ntt-identify", "--json",
                               os.path.join(work, "i.img")], env=env,
                              check=True, stdout=subprocess.PIPE).stdout
        self.medium = json.loads(told)["hash"]
        self.loaded = False
        self.read_catalogue()
        self.read_raw()

    def sql(self, statement):
        out = subprocess.run(["ntt-db", "psql", "-XAtq", "-F", "\t", "-c",
                              statement], env=self.env, check=True,
                             stdout=subprocess.PIPE).stdout.decode()
        return [line.split("\t") for line in out.splitlines() if line]

    def inner(self, path):
        """A path of the first volume, where there are several."""
        if self.several and (path == b"p1" or path.startswith(b"p1/")):
            return path[3:]
        return path

    def read_catalogue(self):
        # a damaged disc may have two trees with different names
        self.several = self.sql(
            "SELECT 1 FROM medium_partition WHERE number > 0 AND "
            "medium_hash = '%s'" % self.medium) != []
        rows = self.sql(
            "SELECT encode(p.path, 'hex'), i.status, coalesce(i.blobid, ''), "
            "d.determined, d.extents::text FROM path p JOIN inode i "
            "USING (medium_hash, dev, ino) LEFT JOIN inode_damage d "
            "USING (medium_hash, dev, ino) WHERE p.medium_hash = '%s' "
            "AND i.fs_type = 'f'" % self.medium)
        for path, status, blob, determined, extents in rows:
            self.loaded = True
            f = Found(status, blob)
            if determined:
                f.undetermined = determined == "f"
                f.lost = [tuple(int(n) for n in r.strip("[)").split(","))
                          for r in extents.strip("{}").replace("),", ") ")
                          .split()] if extents else []
            self.files[self.inner(bytes.fromhex(path))] = f
        for path, in self.sql(
                "SELECT encode(p.path, 'hex') FROM path p JOIN inode i "
                "USING (medium_hash, dev, ino) WHERE p.medium_hash = '%s' "
                "AND i.fs_type = 'd'" % self.medium):
            self.directories.add(self.inner(bytes.fromhex(path)))
        if self.sql("SELECT to_regclass('omission')") != []:
            for path, kind in self.sql(
                    "SELECT coalesce(encode(path, 'hex'), ''), kind "
                    "FROM omission WHERE medium_hash = '%s'" % self.medium):
                self.omissions.add((self.inner(bytes.fromhex(path)), kind))

    def read_raw(self):
        """The records of type o, as ntt-enum wrote them."""
        root = os.fsencode(os.path.join(self.env["NTT_HOME"], "mnt",
                                        self.medium))
        for name in glob.glob(os.path.join(self.env["NTT_HOME"], "raw",
                                           "*.raw")):
            with open(name, "rb") as f:
                records = f.read().split(b"\0")
            for r in records:
                if not r.startswith(b"o\x1c"):
                    continue
                fields = r.split(b"\x1c", 6)
                path = fields[6]
                if path.startswith(root):
                    path = path[len(root):].lstrip(b"/")
                self.omissions.add((self.inner(path), fields[3].decode()))

    def content(self, f):
        if not f.blob:
            return b""
        with open(os.path.join(self.store, f.blob[:2], f.blob[2:4], f.blob),
                  "rb") as blob:
            return blob.read()

    def omitted(self, path, kind):
        return (path, kind) in self.omissions

    def named(self, path):
        """Something says that this name may be missing."""
        if self.unread() or self.omitted(b"", "structure_damaged"):
            return True
        # that the image is cut says nothing of names
        places = {p for p, k in self.omissions if k != "truncated"}
        # its own name, or that of the directory that should have it
        while path not in places:
            if path == b"":
                return False
            path = os.path.dirname(path)
            if path in self.directories:
                return path in places
        return True

    def unread(self):
        """Nothing is in the catalogue, and an omission says so."""
        return not self.loaded and self.omitted(b"", "volume_unread")

    def right(self, whole):
        return sum(1 for name, want in whole.items() if name in self.files
                   and self.files[name].status == "success" and
                   self.content(self.files[name]) == want)

    def lost_anything(self, whole):
        return self.right(whole) < len(whole)
