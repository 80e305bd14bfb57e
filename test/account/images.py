"""Images with generated files, and what independent readers get from them."""
import os, shutil, subprocess

# programs that one image of the kind needs
KINDS = {
    "ext4": ("mkfs.ext4", "debugfs"),
    "xfs": ("mkfs.xfs", "losetup"),
    "btrfs": ("mkfs.btrfs", "btrfs"),
    "vfat": ("mkfs.vfat", "mcopy", "linux.uml"),
    "iso9660": ("genisoimage", "isoinfo", "linux.uml"),
}


def quiet(*argv, **more):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, **more)


def make_tree(root, rng, plain_names):
    """A few hundred files in a few dozen directories."""
    dirs = [root]
    os.makedirs(root)
    for i in range(rng.randrange(4, 12)):
        parent = rng.choice([d for d in dirs if d.count("/") -
                             root.count("/") < 4])
        d = os.path.join(parent, "dir%02d" % i)
        os.mkdir(d)
        dirs.append(d)
    for d in dirs:
        few = rng.random() < 0.7
        for i in range(rng.randrange(1, 12) if few else
                       rng.randrange(60, 200)):
            name = "f%03d.dat" % i
            if not plain_names and rng.random() < 0.3:
                name = "a longer name of a file, number %03d.text" % i
            size = rng.choice((0, 10, 600, 2000, 9000, 40000))
            if rng.random() < 0.02:
                size = 400000
            with open(os.path.join(d, name), "wb") as f:
                f.write(rng.randbytes(size))


def make_image(fs, image, work, rng):
    tree = os.path.join(work, "tree")
    make_tree(tree, rng, fs == "iso9660")
    if fs == "ext4":
        quiet("mkfs.ext4", "-q", "-b", rng.choice(("1024", "4096")),
              "-O", rng.choice(("metadata_csum", "^metadata_csum",
                                "^metadata_csum,^extents,^64bit")),
              "-d", tree, image, "48M")
    elif fs == "xfs":
        os.truncate(os.open(image, os.O_CREAT | os.O_RDWR), 320 << 20)
        quiet("mkfs.xfs", "-q", image)
        fill(image, tree, os.path.join(work, "rw"))
    elif fs == "btrfs":
        os.truncate(os.open(image, os.O_CREAT | os.O_RDWR), 128 << 20)
        quiet("mkfs.btrfs", "-q", "-m", rng.choice(("single", "dup")),
              "--rootdir", tree, image)
    elif fs == "vfat":
        os.truncate(os.open(image, os.O_CREAT | os.O_RDWR), 40 << 20)
        quiet("mkfs.vfat", *rng.choice((("-F", "32", "-s", "1"),
                                        ("-F", "16", "-s", "4"), ())), image)
        quiet("mcopy", "-s", "-i", image,
              *[os.path.join(tree, n) for n in sorted(os.listdir(tree))],
              "::")
    elif fs == "iso9660":
        quiet("genisoimage", "-quiet", "-R", "-J", "-o", image, tree)


def fill(image, tree, point):
    """By this machine's own kernel, which has the file system."""
    os.mkdir(point)
    quiet("mount", "-o", "loop", image, point)
    try:
        for name in os.listdir(tree):
            quiet("cp", "-a", os.path.join(tree, name), point)
    finally:
        quiet("umount", point)


def read_whole(fs, image, work):
    """Path and content of every file, by a reader that is not NTT's."""
    out = os.path.join(work, "whole")
    os.mkdir(out)
    if fs == "ext4":
        quiet("debugfs", "-R", "rdump / " + out, image)
    elif fs == "xfs":
        # nothing but a kernel reads it: what was written must be there
        out = os.path.join(work, "tree")
    elif fs == "btrfs":
        quiet("btrfs", "restore", image, out)
    elif fs == "vfat":
        quiet("mcopy", "-s", "-n", "-i", image, "::", out)
    elif fs == "iso9660":
        read_iso(image, out)
    files = {}
    for where, _, names in os.walk(os.fsencode(out)):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as f:
                files[os.path.relpath(path, os.fsencode(out))] = f.read()
    shutil.rmtree(os.path.join(work, "whole"))
    if not files:
        raise SystemExit("the independent reader of %s got nothing" % fs)
    return files


def read_iso(image, out):
    listing = subprocess.run(["isoinfo", "-R", "-f", "-i", image], check=True,
                             stdout=subprocess.PIPE).stdout
    for line in listing.decode().splitlines():
        name = line.strip("/")
        data = subprocess.run(["isoinfo", "-R", "-i", image, "-x", "/" + name],
                              check=True, stdout=subprocess.PIPE).stdout
        if not name.endswith(".dat"):
            continue
        path = os.path.join(out, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
