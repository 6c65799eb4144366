#!/usr/bin/env python3
"""Writes what chat requests come to in tokens, as the models' own templates print them.

  tools/framing_golden.py TEMPLATES CASES SEED >tests/golden/framing.txt

The golden file is of `TEMPLATES 220 1`. A line is what one request comes to by each template of the
first line (`-` where a template refuses it), then the request. TEMPLATES is a folder of

  NAME.jinja         the `chat_template` of tokenizer_config.json: llama3, qwen2_5, deepseek_v3,
                     mistral (mistral_nemo) and gemma3 of @lenml/tokenizer-NAME 3.7.2; llama3_1
                     of meta-llama/Llama-3.3-70B-Instruct, which prints what that of 3.1 does;
                     llama2 of meta-llama/Llama-2-7b-chat-hf; deepseek_v3_tools, which is for
                     requests with tools, is tool_chat_template_deepseekv3.jinja of vLLM
  o200k_base.tiktoken

and the vocabularies are .parts/vocabularies, or $TOLLGATE_VOCABULARIES. Needs jinja2, tokenizers
and openai-harmony of PyPI, of which the last is the published form of gpt-oss.

A request is handed to a template as vLLM does it: parts are joined by a line feed, and arguments of
calls are objects, or strings as other servers leave them; the dearer of the two is written.
"""
import copy
import json
import os
import pathlib
import random
import sys

import jinja2
import jinja2.sandbox
import tokenizers

ROOT = pathlib.Path(__file__).resolve().parent.parent
VOCABULARIES = pathlib.Path(os.environ.get("TOLLGATE_VOCABULARIES", ROOT / ".parts/vocabularies"))
# By template: the vocabulary, the token that begins, the token that ends.
HUGGING_FACE = {
    "llama3": ("llama3", "<|begin_of_text|>", ""),
    "llama3_1": ("llama3", "<|begin_of_text|>", ""),
    "qwen2_5": ("qwen2_5", "", ""),
    "deepseek_v3": ("deepseek_v3", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "mistral": ("mistral_nemo", "<s>", "</s>"),
    "llama2": ("llama2", "<s>", "</s>"),
    "gemma3": ("gemma3", "<bos>", "<eos>"),
}
NAMES = [*HUGGING_FACE, "harmony"]


class Template:
    """One model's template with its vocabulary."""

    def __init__(self, folder, name):
        vocabulary, self.begin, self.end = HUGGING_FACE[name]
        self.tokenizer = tokenizers.Tokenizer.from_file(str(VOCABULARIES / f"{vocabulary}.json"))
        self.tokenizer.no_truncation()
        # As transformers has it.
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
        environment.filters["tojson"] = lambda value, indent=None: json.dumps(
            value, ensure_ascii=False, indent=indent)
        environment.globals["raise_exception"] = refuse
        self.forms = [environment.from_string((folder / f"{name}.jinja").read_text())]
        tools = folder / f"{name}_tools.jinja"
        self.tool_forms = self.forms[:]
        if tools.exists():
            self.tool_forms.append(environment.from_string(tools.read_text()))

    def texts(self, request):
        tools = request.get("tools")
        has_tools = tools or any(m["role"] == "tool" for m in request["messages"])
        for form in self.tool_forms if has_tools else self.forms:
            for parsed in (True, False):
                told = {"tools": tools} if tools else {}
                try:
                    yield form.render(messages=as_told(request, parsed), add_generation_prompt=True,
                                      bos_token=self.begin, eos_token=self.end, **told)
                except (jinja2.TemplateError, TypeError):
                    continue

    def tokens(self, request):
        return max((len(self.tokenizer.encode(text, add_special_tokens=False).ids)
                    for text in self.texts(request)), default=None)


class Harmony:
    """gpt-oss, as the published renderer of its format has it."""

    def __init__(self, folder):
        os.environ["TIKTOKEN_ENCODINGS_BASE"] = str(folder)
        import openai_harmony
        self.harmony = openai_harmony
        self.encoding = openai_harmony.load_harmony_encoding(
            openai_harmony.HarmonyEncodingName.HARMONY_GPT_OSS)

    def message(self, message, calls):
        of = self.harmony
        content = joined(message.get("content")) or ""
        author = of.Author
        if message["role"] in ("system", "developer"):
            yield of.Message.from_role_and_content(
                of.Role.DEVELOPER, of.DeveloperContent.new().with_instructions(content))
        elif message["role"] == "tool":
            name = "functions." + calls[message["tool_call_id"]]
            yield (of.Message.from_author_and_content(author.new(of.Role.TOOL, name), content)
                   .with_recipient("assistant").with_channel("commentary"))
        elif message.get("tool_calls"):
            if content:
                yield (of.Message.from_role_and_content(of.Role.ASSISTANT, content)
                       .with_channel("commentary"))
            for call in message["tool_calls"]:
                yield (of.Message.from_role_and_content(
                    of.Role.ASSISTANT, call["function"]["arguments"]).with_channel("commentary")
                    .with_recipient("functions." + call["function"]["name"])
                    .with_content_type("json"))
        else:
            made = of.Message.from_role_and_content(of.Role(message["role"]), content)
            yield made.with_channel("final") if message["role"] == "assistant" else made

    def tokens(self, request):
        of = self.harmony
        system = of.SystemContent.new().with_conversation_start_date("2026-11-26")
        messages = [of.Message.from_role_and_content(of.Role.SYSTEM, system)]
        calls = {call["id"]: call["function"]["name"] for message in request["messages"]
                 for call in message.get("tool_calls") or []}
        rest = request["messages"]
        if request.get("tools"):
            developer = of.DeveloperContent.new()
            if rest[0]["role"] in ("system", "developer"):
                developer = developer.with_instructions(joined(rest[0]["content"]))
                rest = rest[1:]
            developer = developer.with_function_tools([
                of.ToolDescription.new(t["function"]["name"], t["function"].get("description", ""),
                                       parameters=t["function"].get("parameters"))
                for t in request["tools"]])
            messages.append(of.Message.from_role_and_content(of.Role.DEVELOPER, developer))
        for message in rest:
            messages.extend(self.message(message, calls))
        conversation = of.Conversation.from_messages(messages)
        settings = of.RenderConversationConfig(auto_drop_analysis=True)
        return len(self.encoding.render_conversation_for_completion(
            conversation, of.Role.ASSISTANT, config=settings))


def refuse(message):
    raise jinja2.TemplateError(message)


def joined(content):
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content)
    return content


def as_told(request, parsed):
    messages = copy.deepcopy(request["messages"])
    for message in messages:
        message["content"] = joined(message.get("content"))
        if message["content"] is None and not message.get("tool_calls"):
            message["content"] = ""
        for call in message.get("tool_calls") or []:
            if parsed:
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return messages


# ---- Requests --------------------------------------------------------------------------------

WORDS = """the of and model gateway counts tokens before they are sent; a request that is refused
has taken nothing Was kostet das? Größe 你好，世界 これはテスト Привет мир مرحبا 🙂 👩‍👩‍👧 x=1 foo(bar) return
std::vector<int> {"a":[1,2]} https://example.com/?q=1&r=2 1234567 3.14159 don't I'll SELECT * FROM t
<b>bold</b> $E=mc^2$ C:\\\\temp\\\\x snake_case camelCase ALLCAPS -> => != \t \n \n\n  \
\r\n""".split(" ")
EDGES = ["", "", "", "", " ", "\n", "\n\n", "  \n", "\t", " \n \n", "\r\n", "   ", "\u00a0", \
"\u3000",
         ">", ">\n", ".", ".\n\n", "}", "/", "'", "'s", "#", "1", "\u0301", "\x1f"]
NAMES_OF_FIELDS = ["city", "unit", "query", "max_results", "from", "größe", "include_archived", "a"]


def text(at, longest):
    words = [at.choice(WORDS) for _ in range(at.randrange(longest + 1))]
    return at.choice(EDGES) + " ".join(words) + at.choice(EDGES)


def plain_text(at, longest):
    return " ".join(at.choice(WORDS) for _ in range(1 + at.randrange(longest))).strip() or "Hello"


def value(at, depth):
    kind = at.randrange(6 if depth else 4)
    if kind == 0:
        return at.choice([1, 0, -3, 17, 2.5, 1e15, 1e300, 0.1, 123456789, True, None])
    if kind == 1:
        return text(at, 3)
    if kind in (2, 3):
        return at.choice(["Paris", "celsius", "x", "2026-11-26", "say \"hi\"\n", ""])
    if kind == 4:
        return [value(at, depth - 1) for _ in range(at.randrange(4))]
    return {at.choice(NAMES_OF_FIELDS): value(at, depth - 1) for _ in range(at.randrange(4))}


def schema(at, depth):
    kind = at.choice(["string", "number", "integer", "boolean", "array", "object"])
    made = {"type": kind}
    if at.random() < 0.6:
        made["description"] = plain_text(at, 8)
    if kind == "string" and at.random() < 0.4:
        made["enum"] = at.sample(
            ["celsius", "fahrenheit", "a", "in progress", "ja"], at.randrange(1, 4))
    if kind == "number" and at.random() < 0.3:
        made["minimum"] = at.choice([0.5, 1e15, 2])
    if at.random() < 0.2:
        made["default"] = value(at, 1) if kind != "string" else "celsius"
    if kind == "array":
        made["items"] = schema(at, depth - 1) if depth else {"type": "string"}
    if kind == "object" and depth:
        made |= parameters(at, depth - 1)
    return made


def parameters(at, depth):
    names = at.sample(NAMES_OF_FIELDS, at.randrange(0, 4))
    made = {"type": "object", "properties": {name: schema(at, depth) for name in names}}
    if names and at.random() < 0.7:
        made["required"] = at.sample(names, at.randrange(1, len(names) + 1))
    if at.random() < 0.2:
        made["additionalProperties"] = False
    return made


def tool(at):
    name = at.choice(["get_weather", "search", "run", "lookupOrder", "send-mail"])
    function = {"name": name, "description": plain_text(at, 20)}
    if at.random() < 0.9:
        function["parameters"] = parameters(at, at.randrange(4))
    return {"type": "function", "function": function}


def identifier(at):
    return "".join(at.choice("abcdefghijkXYZ0123456789") for _ in range(9))


def content(at, longest):
    if at.random() < 0.12:
        return [{"type": "text", "text": text(at, longest)} for _ in range(at.randrange(1, 4))]
    return text(at, longest)


def exchange(at, longest):
    calls = []
    for _ in range(1 if at.random() < 0.8 else 2):
        arguments = {at.choice(NAMES_OF_FIELDS): value(at, 2) for _ in range(at.randrange(4))}
        spaced = at.random() < 0.5
        calls.append({"id": identifier(at), "type": "function", "function": {
            "name": at.choice(["get_weather", "search"]), "arguments": json.dumps(
                arguments, ensure_ascii=False, separators=None if spaced else (",", ":"))}})
    said = {"role": "assistant", "tool_calls": calls}
    if at.random() < 0.5:
        said["content"] = None if at.random() < 0.7 else text(at, 4)
    yield said
    for call in calls:
        answer = json.dumps(value(at, 2)) if at.random() < 0.5 else text(at, longest)
        yield {"role": "tool", "tool_call_id": call["id"], "content": answer}


def request(at):
    """One conversation; a third of them as most are, without tools or anything odd."""
    usual = at.random() < 0.34
    longest = at.choice([3, 10, 30])
    write = plain_text if usual else content
    messages = []
    if at.random() < 0.5:
        messages.append({"role": "system", "content": write(at, longest)})
    has_tools = not usual and at.random() < 0.5
    for turn in range(at.randrange(4) + 1):
        if turn:
            messages.append({"role": "assistant", "content": write(at, longest)})
        messages.append({"role": "user", "content": write(at, longest)})
        if has_tools and at.random() < 0.4:
            messages.extend(exchange(at, longest))
    if not usual and at.random() < 0.1:
        messages.insert(at.randrange(len(messages) + 1), {"role": "system", "content": text(at, 5)})
    if not usual and at.random() < 0.05:
        messages.insert(0, {"role": "developer", "content": text(at, 5)})
    made = {"model": "m", "messages": messages}
    if has_tools:
        made["tools"] = [tool(at) for _ in range(at.randrange(1, 4))]
    return made


def asked_with(parameters_of_tool, arguments="{}", result="x"):
    call = {"id": "abcdefghi", "type": "function",
            "function": {"name": "f", "arguments": arguments}}
    return {"model": "m",
            "messages": [{"role": "user", "content": "hi"},
                         {"role": "assistant", "content": None, "tool_calls": [call]},
                         {"role": "tool", "tool_call_id": "abcdefghi", "content": result}],
            "tools": [{"type": "function", "function": {
                "name": "f", "description": "d", "parameters": parameters_of_tool}}]}


def odd():
    """What grows the most where a template prints it anew."""
    deep = {"type": "object", "properties": {}}
    for _ in range(14):
        deep = {"type": "object", "properties": {
            "a": deep, "b": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}}}}
    yield asked_with(deep)
    for repeated in (1e15, 1e5, 1e-4, 1e300, 0.5, True, [], {}, "a", [[]], {"a": 1}):
        yield asked_with({"enum": [repeated] * 60})
    for arguments in ({"a": ["x"] * 60}, {"a": [1e15] * 60}, {"a": "\n\"\\\t\x1b" * 30},
                      {"a": [{"b": []}] * 60}):
        yield asked_with({}, arguments=json.dumps(arguments, separators=(",", ":")))
    for result in ("\n", '"', "\\", "\x1b\x01", "a\n", '"a', "\tfoo", "\n\n\nX", "\r\n", '\\"'):
        yield asked_with({}, result=result * 60)
    again = asked_with({})
    again["messages"] = [{"role": "user", "content": "go on"},
                         {"role": "assistant", "content": "ok"}] * 4
    again["messages"].append({"role": "user", "content": "go on"})
    yield again


def main():
    folder, cases, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    templates = [Template(folder, name) for name in HUGGING_FACE] + [Harmony(folder)]
    at = random.Random(seed)
    print("#", *NAMES)
    for asked in [*(request(at) for _ in range(cases)), *odd()]:
        counted = [template.tokens(asked) for template in templates]
        print(*("-" if tokens is None else tokens for tokens in counted),
              json.dumps(asked, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
