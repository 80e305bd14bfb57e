#!/usr/bin/env python3
"""page.py ROWS OUT COMMIT: OUT.md and OUT.svg, of what record.bash wrote.

The table is in the form in which README has it.  A row is lost if ours needs
more than its share of the peer's time, or more than its limit.
"""
import datetime
import html
import os
import platform
import re
import sys


class Row:
    def __init__(self, what, ours, least, most, runs, peer, theirs, fastest,
                 slowest, share, limit):
        self.what = re.sub(r"\d{4,}", lambda n: f"{int(n[0]):,}", what)
        self.peer = peer
        self.ours, self.least, self.most = float(ours), float(least), float(most)
        self.runs = int(runs)
        self.theirs = float(theirs) if theirs else None
        self.fastest = float(fastest) if fastest else None
        self.slowest = float(slowest) if slowest else None
        self.share = float(share) if share else None
        self.limit = float(limit) if limit else None

    @property
    def lost(self):
        if self.theirs is not None:
            return self.ours > self.share * self.theirs
        return self.limit is not None and self.ours > self.limit


def seconds(s):
    for least, unit, times in ((1, "s", 1), (1e-3, "ms", 1e3), (0, "us", 1e6)):
        if s >= least:
            n = s * times
            return f"{n:.0f} {unit}" if n >= 20 else \
                f"{n:.1f} {unit}" if n >= 5 else f"{n:.2f} {unit}"
    raise ValueError(s)


def first_value(path, name):
    """The value of the first line "name: value" of a file of /proc."""
    with open(path, encoding="ascii", errors="replace") as f:
        for line in f:
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return "unknown"


def machine():
    kib = first_value("/proc/meminfo", "MemTotal").split()[0]
    return (f"{len(os.sched_getaffinity(0))} processors "
            f"({first_value('/proc/cpuinfo', 'model name')}), "
            f"{int(kib) / 1e6:.0f} GB of memory, Linux {platform.release()}")


def read(path):
    rows, absent, failed = [], {}, []
    with open(path, encoding="utf-8") as f:
        for line in f:
            kind, *fields = line.rstrip("\n").split("\t")
            if kind == "row":
                rows.append(Row(*fields))
            elif kind == "absent":
                absent[fields[0]] = fields[1]
            else:
                failed.append(fields[0])
    return rows, absent, failed


def peers_of(row):
    if row.theirs is not None:
        text = f"{row.peer} {seconds(row.theirs)}"
    elif row.limit is not None:
        text = f"at most {seconds(row.limit)}"
    else:
        return ""
    return text + (" LOST" if row.lost else "")


def short_table(rows):
    """As README has it: peers of the same row beside each other."""
    lines, last = [], None
    for r in rows:
        if last and last[0] == r.what and last[1] == r.ours:
            lines[-1] += ", " + peers_of(r)
        else:
            tabs = "\t" * max(1, (39 - len(r.what)) // 8)
            lines.append(f"\t{r.what}{tabs}{seconds(r.ours)}\t{peers_of(r)}")
        last = r.what, r.ours
    return "\n".join(line.rstrip() for line in lines)


def long_table(rows):
    lines = ["| what | ours | least–most | runs | peer | its time | least–most "
             "| ours / peer | at most | |", "|---|--:|--:|--:|---|--:|--:|--:|--:|---|"]
    for r in rows:
        cells = [r.what, seconds(r.ours),
                 f"{seconds(r.least)}–{seconds(r.most)}", str(r.runs)]
        if r.theirs is not None:
            cells += [r.peer, seconds(r.theirs),
                      f"{seconds(r.fastest)}–{seconds(r.slowest)}",
                      f"{r.ours / max(r.theirs, 1e-9):.2f}", f"{r.share:g}"]
        else:
            cells += ["", "", "", "", seconds(r.limit) if r.limit else ""]
        cells.append("LOST" if r.lost else
                     "ok" if r.limit or r.theirs is not None else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(rows, absent, failed, about):
    parts = ["# What NTT was measured against", about, short_table(rows),
             "Medians, and the least and the most of all runs.  What takes more "
             "than its share of the time of another program is LOST.",
             long_table(rows)]
    if absent:
        parts.append("Not installed, so not compared with: " + ", ".join(
            f"{peer} ({absent[peer]})" for peer in sorted(absent)) + ".")
    if failed:
        parts.append("FAILED, so nothing is known: " + ", ".join(failed) + ".")
    return "\n\n".join(parts) + "\n"


def chart(rows, about):
    """A bar a row with a peer: ours in parts of the peer's time."""
    rows = [r for r in rows if r.theirs]
    most = max([r.ours / r.theirs for r in rows] + [1.5])
    left, right, high = 380, 420, 22
    unit = right / most
    height = 70 + high * len(rows)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right + 90}" '
           f'height="{height}" font-family="sans-serif" font-size="13">',
           '<rect width="100%" height="100%" fill="#fff"/>',
           '<text x="10" y="20" font-weight="bold">Time of NTT in parts of '
           "another program's; the line is as long as it takes</text>",
           f'<text x="10" y="38" font-size="11">{html.escape(about)}</text>']
    for i, r in enumerate(rows):
        y = 52 + i * high
        low = r.least / max(r.slowest, 1e-9) * unit
        top = min(r.most / max(r.fastest, 1e-9), most) * unit
        out += [f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">'
                f'{html.escape(r.what)} / {html.escape(r.peer)}</text>',
                f'<rect x="{left}" y="{y}" height="{high - 6}" '
                f'width="{r.ours / r.theirs * unit:.1f}" '
                f'fill="{"#b3400f" if r.lost else "#4477aa"}"/>',
                f'<path d="M{left + low:.1f} {y + 8}H{left + max(top, low):.1f}" '
                'stroke="#222"/>',
                f'<text x="{left + r.ours / r.theirs * unit + 6:.1f}" '
                f'y="{y + 13}">{r.ours / r.theirs:.2f}'
                f'{" LOST" if r.lost else ""}</text>']
    out += [f'<path d="M{left + unit:.1f} 46V{height - 14}" stroke="#222" '
            'stroke-dasharray="4 3"/>', "</svg>"]
    return "\n".join(out) + "\n"


def main():
    rows, absent, failed = read(sys.argv[1])
    about = (f"{datetime.date.today().isoformat()}, {machine()}, "
             f"commit {sys.argv[3]}.")
    for suffix, text in ((".md", page(rows, absent, failed, about)),
                         (".svg", chart(rows, about))):
        with open(sys.argv[2] + suffix, "w", encoding="utf-8") as f:
            f.write(text)


main()
