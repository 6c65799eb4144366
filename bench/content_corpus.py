"""The benign texts that the content rules are measured on: the same each time, never checked in.

They are cut from packages of npm and PyPI at pinned versions (content_packages.tsv has the sums of
their archives and their licences) and from what the lockfile installs (content_sources.py says what
of them is read). A text has 100 bytes to 8 kB; none is there twice; no language, package or
kind has more than its share. SHA256 is that of the whole file.
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import content_sources

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "bench" / "content_packages.tsv"
PARTS = ROOT / ".parts" / "content"
SHA256 = "bf4de394a1eea4734aa1a32c610760766b4afddc1def15322b7e80ec5f564909"
BYTES_MIN, BYTES_MAX = 100, 8_000
# How long a text may get; which of them, its beginning decides.
LENGTHS = (300, 600, 1_200, 2_500, 5_000, BYTES_MAX)
# The wheels are read and never run: those of one platform do for all.
WHEELS = ("--no-deps", "--only-binary", ":all:", "--python-version", "3.12", "--platform",
          "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64", "--platform", "any")


def packages():
    lines = [line for line in PACKAGES.read_text().splitlines() if not line.startswith("#")]
    return [line.split("\t") for line in lines]


def fetch(registry, name, version, folder):
    """The archive of that package, in an empty folder, by the registry's own client."""
    folder.mkdir(parents=True)
    if registry == "npm":
        command = ["npm", "pack", "--silent", "--ignore-scripts", f"{name}@{version}"]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet",
                   "--disable-pip-version-check", *WHEELS, f"{name}=={version}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} {version} cannot be had from {registry}:\n{done.stderr}")
    return next(folder.iterdir())


def unpack(archive, folder):
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder)
    else:
        with tarfile.open(archive) as opened:
            opened.extractall(folder)  # Its sum is known.


def install():
    """{package: folder of what is in it}, fetched where it is not there yet."""
    folders = {}
    for registry, name, version, sha256, _ in packages():
        folder = PARTS / f"{name.replace('/', '-')}-{version}"
        folders[name] = folder
        if (folder / ".whole").exists():
            continue
        print(f"  fetching {name} {version}", file=sys.stderr)
        for leftover in (folder, folder.with_name(folder.name + ".archive")):
            subprocess.run(["rm", "-rf", leftover], check=True)
        archive = fetch(registry, name, version, folder.with_name(folder.name + ".archive"))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != sha256:
            raise SystemExit(f"{name} {version} is not the archive it should be (SHA-256 differs)")
        unpack(archive, folder)
        subprocess.run(["rm", "-rf", archive.parent], check=True)
        (folder / ".whole").touch()
    return folders


def cut(text, most):
    """Pieces of at most `most` bytes, whole characters, at the end of a paragraph or a line."""
    text = text.replace("\r\n", "\n").strip()
    begin = 0
    while begin < len(text):
        head = text[begin:begin + most].encode()[:most].decode(errors="ignore")
        if begin + len(head) < len(text):
            for border in ("\n\n", "\n", ". ", "。", " "):
                at = head.rfind(border, len(head) // 3)
                if at > 0:
                    head = head[:at + len(border)]
                    break
        yield head.strip("\n")
        begin += len(head)
        while text.startswith("\n", begin):
            begin += 1


def length_of(text):
    return LENGTHS[hashlib.sha256(text[:400].encode()).digest()[0] % len(LENGTHS)]


def is_text(piece):
    size = len(piece.encode())
    odd = sum(c < " " and c not in "\n\t" or c == "\ufffd" for c in piece)
    return BYTES_MIN <= size <= BYTES_MAX and odd <= len(piece) // 50


def texts(folders):
    """The texts, each with its kind, language and package."""
    known, taken = set(), {}
    for source in content_sources.SOURCES:
        for language, text in source.read(folders):
            share = (source.kind, source.package, language)
            pieces = [text] if source.whole else cut(text, length_of(text))
            for piece in pieces:
                piece = piece.encode(errors="ignore").decode()
                same = hashlib.sha256("".join(piece.split()).encode()).digest()
                if taken.get(share, 0) == source.most or same in known or not is_text(piece):
                    continue
                known.add(same)
                taken[share] = taken.get(share, 0) + 1
                yield {"kind": source.kind, "language": language, "package": source.package,
                       "text": piece}


def write():
    """Where the corpus stands; made where it is not there yet."""
    path = PARTS / "corpus.jsonl"
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        PARTS.mkdir(parents=True, exist_ok=True)
        folders = install()
        with open(path, "w", encoding="utf-8") as file:
            for number, text in enumerate(texts(folders)):
                print(json.dumps({"id": number, **text}, ensure_ascii=False), file=file)
    return path


def read():
    """The texts and the sum of all of them."""
    path = write()
    with open(path, encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    return path, found, hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    where, every, total = read()
    print(f"{where}: {len(every):,} texts, "
          f"{len({it['language'] for it in every if it['kind'] != 'code'})} languages, {total}")
