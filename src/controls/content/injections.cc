#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "controls/content/identifiers.h"
#include "controls/content/patterns.h"

namespace tollgate::content {

namespace {

// An image whose address is to be filled in with what the model knows.
bool is_filled_in(std::string_view text, const Extent& extent) {
  constexpr std::size_t kAltMax = 80;
  constexpr std::size_t kUrlMax = 256;
  const std::size_t begin = extent.begin - std::min(extent.begin, kAltMax);
  const std::string_view alt = text.substr(begin, extent.begin - begin);
  const std::string_view rest = text.substr(extent.end, kUrlMax);
  const std::string_view url = rest.substr(0, rest.find_first_of(")\n"));
  constexpr std::string_view kPlaceholders[] = {"{{", "${", "%7b", "%7B", "<", "[", "{"};
  return alt.rfind("![") != std::string_view::npos &&
         url.find_first_of("?=") != std::string_view::npos &&
         std::ranges::any_of(kPlaceholders,
                             [&](std::string_view sign) { return url.contains(sign); });
}

constexpr std::size_t kOrderReach = 40;

// What the model is told in the same breath.
bool is_told_to_be(std::string_view text, const Extent& extent) {
  const std::size_t begin = extent.begin - std::min(extent.begin, kOrderReach);
  return has_word_behind(text.substr(0, extent.begin), begin,
                         "act as|you are|you re|become|pretend|roleplay|simulate|now");
}
bool is_told_to_show(std::string_view text, const Extent& extent) {
  const std::size_t begin = extent.begin - std::min(extent.begin, kOrderReach);
  return has_word_behind(text.substr(0, extent.begin), begin,
                         "reveal|show me|show us|print|output|repeat|display|leak|expose|recite|"
                         "give me|tell me|write out|dump|disclose|reproduce");
}

// Such modes are of telephones, of programs and of servers, too: one that is meant for a model says
// so near it, or it is all that is said.
bool is_mode_of_model(std::string_view text, const Extent& extent) {
  const std::string_view until = text.substr(0, extent.end);
  if (has_word_behind(until, extent.begin, "you|god|jailbreak|unrestricted|output")) return true;
  const std::size_t begin = extent.begin - std::min(extent.begin, kOrderReach);
  if (has_word_behind(text, begin,
                      "chatgpt|gpt|claude|gemini|llm|chatbot|language model|openai|an ai|the ai|"
                      "this ai|as ai|ai model|ai assistant|jailbroken|persona|unfiltered|"
                      "uncensored|you are now|you re now|act as|no restrictions|any restrictions|"
                      "all restrictions|your restrictions|without restrictions|content policy|"
                      "content policies|safety filters|your filters|your guidelines|your rules|"
                      "your programming")) {
    return true;
  }
  if (!has_word_behind(until, extent.begin, "developer mode enabled|developer mode activated")) {
    return false;
  }
  constexpr std::string_view kEnds = ".!?\n*\"()[]";
  const std::size_t last = until.substr(0, extent.begin).find_last_not_of(' ');
  return (last == std::string_view::npos || kEnds.contains(until[last])) &&
         (extent.end == text.size() || kEnds.contains(text[extent.end]));
}

constexpr std::size_t kSplitReach = 256;

// Whether something else is set to a text behind it, and both are put together.
bool is_split(std::string_view text, const Extent& extent) {
  const std::string_view rest = text.substr(extent.end, kSplitReach);
  for (std::size_t at = 0; (at = rest.find('=', at)) != std::string_view::npos; ++at) {
    const std::string_view before = rest.substr(0, at);
    const std::size_t name = before.find_last_not_of(' ');
    const std::size_t value = rest.find_first_not_of(' ', at + 1);
    const bool has_name = name != std::string_view::npos && is_alnum(before[name]);
    const bool is_text =
        value != std::string_view::npos && (rest[value] == '"' || rest[value] == '\'');
    if (has_name && is_text) {
      return has_word_behind(text, extent.end, "concatenate|combine|join|a b");
    }
  }
  return false;
}

// Parts that many of the patterns have. A macro, as literals are joined before they are anything.
#define EARLIER \
  "(?:previous|prior|above|preceding|earlier|foregoing|initial|original|system|existing|your)"
#define FILLERS "(?:(?:all|any|every|each|the|of|my|these|those|that|and|other) ){0,4}"
#define ORDERS                                                                             \
  "(?:instructions?|prompts?|rules|directions|directives|guidelines|commands|constraints|" \
  "programming|training|restrictions|policies|safeguards)"

constexpr Pattern kInjections[] = {
    // Leave what was said.
    {"injection.ignore_instructions",
     "\\b(?:ignore|disregard|forget|override|bypass|neglect|overlook|discard) " FILLERS EARLIER
     " (?:(?:previous|prior|given|own|system|safety|and|above|initial|content|ethical) "
     "){0,3}" ORDERS},
    {"injection.ignore_everything",
     "\\b(?:ignore|disregard|forget) (?:everything|anything|all) (?:(?:that|which|of|was|is|it) "
     "){0,2}(?:above|before this|you were told|you have been told|i said before|said before|"
     "previously|written above|you know about your)"},
    {"injection.do_not_follow",
     "\\b(?:do not|don t|dont|never|stop) (?:follow|following|obey|obeying|adhere to|adhering "
     "to) " FILLERS EARLIER " (?:(?:previous|prior|system|safety|own|and|original) ){0,2}" ORDERS},
    {"injection.instructions_void",
     "\\b" EARLIER " (?:system )?" ORDERS " (?:are|were|have been|is|was) (?:now )?(?:void|revoked|"
     "cancell?ed|obsolete|superseded|deleted|no longer valid|lifted|suspended|overridden)"},
    {"injection.new_instructions",
     "\\b(?:here are|these are|follow|you have) (?:your|the|my) (?:new|real|true|actual|updated) "
     "(?:system )?(?:instructions|directives|rules|orders|system prompt)"},
    {"injection.instead_of_task",
     "\\binstead of (?:doing )?(?:the|your) (?:original |assigned |given )?(?:task|instructions) "
     "(?:above|you were given)?(?: )?(?:do|say|print|output|reply|respond)"},
    {"injection.end_of_prompt",
     "(?:={3,8}|-{3,8}|#{3,8}|\\[|<)\\s{0,4}(?:end|begin|start) of (?:the )?(?:system |user "
     "|hidden )?"
     "(?:prompt|instructions|system message)\\s{0,4}(?:={3,8}|-{3,8}|#{3,8}|\\]|>)"},

    // Be somebody else.
    {"injection.no_restrictions",
     "\\b(?:pretend|imagine|act as if|act like|behave as if|suppose) (?:that )?you (?:have|had|are "
     "under|were under) (?:no|zero|not any) (?:(?:ethical|moral|content|safety|legal|any) "
     "){0,3}(?:restrictions|limitations|rules|guidelines|filters|constraints|limits)"},
    {"injection.unrestricted_role",
     "\\b(?:unrestricted|unfiltered|uncensored|jailbroken|amoral|unethical|unaligned|lawless) "
     "(?:(?:and|evil|amoral|unfiltered|uncensored|language|artificial) ){0,2}(?:ai|assistant|model|"
     "chatbot|bot|llm|intelligence|version)\\b",
     is_told_to_be},
    {"injection.freed_from_rules",
     "\\byou (?:are|have been|re|were) (?:now |finally )?(?:free|freed|liberated|released|unbound|"
     "no longer bound) (?:from|of|by) (?:(?:all|any|the|your|openai s|typical|usual|these|ai) "
     "){0,3}(?:restrictions|rules|guidelines|policies|policy|confines|constraints|limitations|"
     "limits|chains|programming|filters)"},
    {"injection.not_bound",
     "\\b(?:is|are|am|not|longer) (?:not )?(?:bound|limited|restricted|constrained) by "
     "(?:(?:any|the|your|its|openai s|anthropic s|google s|content|ethical|moral|usual) ){1,3}"
     "(?:content policy|content policies|ethical guidelines|safety guidelines|usage policies|"
     "guidelines|moral constraints|safety filters)"},
    {"injection.do_anything_now", "\\b(?:do anything now|dan mode|dan jailbreak|d a n mode)\\b"},
    {"injection.dan_persona",
     "\\b(?:act as|be|named|called|as|from now on) (?:a )?dan(?: )?(?:which|who|that|stands for|"
     "can do|will do)\\b"},
    {"injection.developer_mode",
     "\\b(?:(?:developer|debug|god|admin|root|sudo|maintenance|jailbreak|unrestricted) mode "
     "(?:(?:is|has been|now|output|fully) ){0,3}(?:enabled|activated|engaged|on and|unlocked|"
     "output)|you (?:are|re) now (?:running |operating )?in (?:the )?(?:developer|debug|god|admin|"
     "root|sudo|maintenance|jailbreak|unrestricted) mode)\\b",
     is_mode_of_model},
    {"injection.enable_mode",
     "\\b(?:enable|activate|enter|switch to|engage|unlock) (?:your )?(?:god|jailbreak|"
     "jailbroken|unrestricted|unfiltered|uncensored|evil|dan|chaos) mode\\b"},
    {"injection.known_persona",
     "\\b(?:act as|you are|pretend to be|become|playing|play) (?:now )?(?:the )?(?:character )?"
     "(?:aim|stan|dude|evil confidant|evilbot|mongo tom|betterdan|devmode|antigpt|basedgpt|"
     "jailbreak bot|machiavelli|ucar|yes man|sydney|omega ai)(?: )?(?:always|strive|who|which|"
     "and you|stands|short for|bot|unfiltered)\\b"},
    {"injection.stay_in_character",
     "\\b(?:stay in character|stay a dan|stay in dan|you are breaking character|remain in jai"
     "lbreak)\\b",
     nullptr, "token|tokens|jailbreak|dan|restrictions"},
    {"injection.two_answers",
     "\\b(?:two|2) (?:different )?(?:responses|answers|ways|outputs|paragraphs) (?:one )?(?:a"
     "s|to each|for each|in)",
     nullptr, "jailbreak|jailbroken|dan|unfiltered|developer mode"},
    {"injection.opposite_mode",
     "\\b(?:opposite mode|anti gpt|reverse psychology mode|evil twin mode)\\b", nullptr,
     "respond|answer|response|reply"},
    {"injection.dead_grandmother",
     "\\b(?:grandma|grandmother|granny|nana) (?:(?:who|always|that|please|she|name|was|would|"
     "and|just|passed|away|me) ){0,4}(?:used to|would) (?:read|tell|recite|sing)",
     nullptr, "napalm|keys|recipe|recipes|steps|malware|exploit|activation"},
    {"injection.hypothetical_unfiltered",
     "\\b(?:hypothetical|fictional) (?:response|world|scenario|story)", nullptr,
     "without any ethical|without any moral|without any safety|without any restrictions|witho"
     "ut ethical|no ethical|no moral|no safety guidelines|no restrictions|without restriction"
     "s"},
    // Show what is kept.
    {"injection.reveal_prompt",
     "\\b(?:your|its|hidden|secret) "
     "(?:(?:full|entire|exact|initial|original|hidden|secret|internal) "
     "){0,2}(?:system prompts?|system messages?|system instructions|initial prompt|initial "
     "instructions|hidden instructions|hidden prompt|secret instructions|pre prompt|preprompt|"
     "developer message)",
     is_told_to_show},
    {"injection.what_is_your_prompt",
     "\\bwhat (?:is|are|was|were|s) your (?:(?:full|exact|initial|original|hidden|secret|verbatim) "
     "){0,3}(?:system prompt|system message|initial prompt|hidden instructions|secret "
     "instructions|initial instructions)\\b"},
    {"injection.repeat_above",
     "\\b(?:repeat|print|output|copy|echo|return|recite) (?:back )?(?:(?:all|everything|exact"
     "ly|verbatim|the|of|words|text|content|message) ){1,4}(?:above|before this|that came bef"
     "ore)\\b",
     nullptr, "you are|system|verbatim|code block|starting with"},
    {"injection.start_with_you_are",
     "\\b(?:starting|beginning|start|begin) with (?:the (?:words|phrase|sentence) )?you are "
     "(?:chatgpt|claude|gpt|a helpful|an ai|gemini|an assistant)"},
    {"injection.prompt_translation",
     "\\b(?:translate|encode|summari[sz]e|spell|convert|base64|rot13) "
     "(?:(?:and|print|output|the|all|"
     "of) ){0,3}your (?:(?:system|initial|hidden|secret|original) ){1,2}(?:prompt|instructions|"
     "message)"},

    // Speak for somebody else.
    // Also within a line: a page that was cut to text has its breaks elsewhere.
    {"injection.forged_system",
     "(?:^|\\s)(?:\\[|<|#{1,3} |\\*\\*)(?:system|developer|admin|administrator|root)("
     "?: (?:message|override|prompt|note|instruction|command|notice))?\\s{0,2}(?:\\]|>|:|\\*"
     "\\*)",
     nullptr,
     "ignore|disregard|override|you must|you are now|new instructions|unrestricted|disable|re"
     "veal"},
    {"injection.system_override",
     "\\b(?:system|admin|administrator|developer|root|security) override\\b", nullptr,
     "enabled|activated|accepted|engaged|granted|authorized|authorised|ignore|disable|code"},
    {"injection.authority",
     "\\b(?:i am|this is|i m|speaking as) (?:(?:your|the|an|a) )?(?:creator|developer|openai "
     "(?:employee|engineer|developer|staff)|anthropic (?:employee|engineer|staff)|system admi"
     "nistrator)",
     nullptr, "override|disable|ignore|bypass|unlock|reveal|grant"},
    {"injection.to_the_model",
     "\\b(?:attention|note|message|instructions?|important|notice|dear) (?:to|for|all)? ?(?:t"
     "he |any |all )?(?:ai|llm|llms|language models?|ai assistants?|ai models?|chatbots?|ai a"
     "gents?)(?: reading this| processing this| model| models| systems)?\\b",
     nullptr, "ignore|disregard|you must|you should|forget|instead|do not mention"},
    {"injection.if_you_are_a_model",
     "\\bif you (?:are|re) an? (?:ai|llm|large language model|language model|ai assistant|cha"
     "tbot|ai agent|gpt)\\b",
     nullptr, "ignore|disregard|say|respond|reply|write|output|include|must|forget"},
    // Agents are told not to repeat this or that to their user; an injection hides what is sent,
    // asked or done.
    {"injection.hide_from_user",
     "\\b(?:do not|don t|dont|never|without) (?:tell|telling|inform|informing|mention|mention"
     "ing|reveal|alert|notify) (?:this |it |anything )?(?:to )?(?:the )?(?:user|human|owner|o"
     "perator)\\b",
     nullptr, "instruction|instructions|send|forward|email|prompt|execute|secret"},
    {"injection.paper_review",
     "\\b(?:give|write|provide|recommend|output) (?:only )?(?:an? )?(?:a )?positive "
     "(?:review|reviews)"
     " only\\b|\\bdo not highlight any negatives\\b"},
    {"injection.candidate_ranking",
     "\\b(?:rank|rate|score|recommend) (?:this|the) (?:candidate|applicant|resume|cv) (?:as )"
     "?(?:the )?(?:highest|first|top|best|10|100|exceptionally)\\b",
     nullptr, "ignore|regardless|instructions|no matter"},
    // Begin the answer for it, forbid it to refuse, or hide the question.
    {"injection.answer_prefix",
     "\\b(?:start|begin|open) your (?:response|answer|reply|output) (?:with|by saying|by writing) "
     "(?:the (?:words|phrase|sentence) )?(?:sure here|absolutely here|of course here|sure i|yes "
     "here|sure thing|affirmative)"},
    {"injection.never_refuse",
     "\\b(?:you (?:must|will|can|should|shall|may) )?(?:never|not|cannot) (?:ever )?(?:refuse"
     "|decline|reject) (?:(?:to|any|a|the|my|answer|human|user) ){0,5}(?:order|request|reques"
     "ts|question|questions|answer|command|commands|instructions)\\b",
     nullptr,
     "ethic|ethical|illegal|policy|policies|restrictions|harmful|immoral|unethical|no matter"},
    {"injection.no_apology",
     "\\b(?:never|do not|don t|dont|cannot|must not) (?:ever )?(?:say|use|include|contain|wri"
     "te) (?:(?:the|words|phrases|phrase|any|like) ){0,4}(?:i m sorry|i cannot|i can t|as an "
     "ai|unfortunately|sorry i)",
     nullptr,
     "refuse|disclaimer|disclaimers|warning|warnings|rule|rules|unable|apologize|apologise|ho"
     "wever"},
    {"injection.no_ethics",
     "\\bwithout (?:any )?(?:ethical|moral|legal|safety) (?:(?:or|and|moral|legal|ethical|saf"
     "ety) ){0,3}(?:considerations|disclaimers?|warnings?|guidelines|constraints|judgement|fi"
     "lters)\\b",
     nullptr, "answer|respond|explain|write|provide|comply|unfiltered"},
    {"injection.payload_splitting", "\\b(?:let|set|define|given) \\w{1,8}\\s{0,4}=\\s{0,4}[\"']",
     is_split,
     "and answer|then answer|now answer|answer it|answer that|answer the|answer a b|and respond|"
     "then respond|respond to|and reply|then reply|reply to|and follow|then follow|now follow|"
     "follow it|follow that|follow the|follow a b|and obey|then obey|obey it|obey the|obey a b|"
     "and execute|then execute|now execute|execute it|execute a b|do what|do as|carry out|"
     "comply with"},
    {"injection.decode_and_follow",
     "\\b(?:decode|decrypt|deobfuscate|unscramble) (?:(?:this|the|following|it|base64|rot13|hex|"
     "string|message|text) ){1,5}(?:and|then) (?:then )?(?:follow|execute|obey|do|carry out|comply "
     "with|act on)\\b"},
    {"injection.token_game",
     "\\byou (?:have|start with|begin with) (?:\\d{1,4}|ten|thirty five|a number of) tokens"
     "\\b",
     nullptr, "lose|deducted|deduct|die|refuse|reject|terminated"},
    {"injection.exfiltrating_image", "\\]\\(https?://", is_filled_in},
    {"injection.exfiltrate_conversation",
     "\\b(?:append|send|encode|include|post|exfiltrate|put|embed) (?:(?:the|all|this|user s|e"
     "ntire|whole|full|previous|summary|of|our|a) ){1,6}(?:conversation|chat history|chat|mes"
     "sages|system prompt|user data|secrets|api keys?|credentials|passwords?)\\b",
     nullptr, "http|https|url|webhook|query string|query parameter|image url|markdown image"},
    {"injection.tool_poisoning", "<important>", nullptr,
     "before using this tool|before calling|read the file|do not mention|don t mention|pass i"
     "ts content|side note"},
    // The first of them in other languages of the Latin script; the words that carry it only.
    {"injection.ignore_instructions_de",
     "\\b(?:ignoriere?|ignorieren sie|vergiss|vergessen sie|missachte) "
     "(?:(?:alle|die|deine|ihre|alles|"
     "s\u00e4mtliche|meine|bitte) "
     "){0,3}(?:vorherigen|vorigen|bisherigen|vorangegangenen|fr\u00fcheren|"
     "obigen|urspr\u00fcnglichen) (?:anweisungen|instruktionen|befehle|vorgaben|regeln|prompts)"},
    {"injection.ignore_instructions_fr",
     "\\b(?:ignore|ignorez|oublie|oubliez|ne tiens pas compte de|ne tenez pas compte de) "
     "(?:(?:toutes|"
     "tes|vos|les|des|tous) ){1,3}(?:instructions|consignes|directives|r\u00e8gles|ordres) "
     "(?:pr\u00e9c\u00e9dentes|pr\u00e9c\u00e9dents|ant\u00e9rieures|ci dessus|initiales|du "
     "syst\u00e8me)"},
    {"injection.ignore_instructions_es",
     "\\b(?:ignora|ignore|ignorad|olvida|olvide|haz caso omiso de|omite) "
     "(?:(?:todas|las|tus|sus|todos|"
     "los) ){1,3}(?:instrucciones|indicaciones|\u00f3rdenes|reglas|directrices) "
     "(?:anteriores|previas|"
     "iniciales|del sistema|de arriba)"},
    {"injection.ignore_instructions_pt",
     "\\b(?:ignore|ignora|esque\u00e7a|desconsidere|esquece) (?:(?:todas|as|suas|tuas|todos|os) "
     "){1,3}(?:instru\u00e7\u00f5es|orienta\u00e7\u00f5es|ordens|regras|diretrizes) (?:anteriores|"
     "pr\u00e9vias|iniciais|acima|do sistema)"},
    {"injection.ignore_instructions_it",
     "\\b(?:ignora|ignorate|dimentica|dimenticate) (?:(?:tutte|le|tue|tutti|i|gli) "
     "){1,3}(?:istruzioni|"
     "indicazioni|ordini|regole|direttive) (?:precedenti|iniziali|di sistema|sopra|ricevute)"},
    {"injection.ignore_instructions_nl",
     "\\b(?:negeer|vergeet) (?:(?:alle|de|je|uw|jouw) "
     "){0,3}(?:vorige|eerdere|voorgaande|bovenstaande|"
     "oorspronkelijke) (?:instructies|aanwijzingen|opdrachten|regels|prompts)"},
    {"injection.ignore_instructions_pl",
     "\\b(?:zignoruj|ignoruj|zapomnij o|pomi\u0144) (?:(?:wszystkie|wszystkich|swoje|twoje) ){0,2}"
     "(?:poprzednie|poprzednich|wcze\u015bniejsze|wcze\u015bniejszych|powy\u017csze) (?:instrukcje|"
     "instrukcji|polecenia|polece\u0144|zasady)"},
    {"injection.ignore_instructions_sv",
     "\\b(?:ignorera|gl\u00f6m|bortse fr\u00e5n|ignorer|glem) (?:(?:alla|dina|de|alle|dine) ){0,3}"
     "(?:tidigare|f\u00f6reg\u00e5ende|tidligere|forrige|ovanst\u00e5ende) (?:instruktioner|"
     "instruktionerna|anvisningar|instruksjoner|instrukser|regler)"},
    {"injection.ignore_instructions_tr",
     "(?:\u00f6nceki|yukar\u0131daki|t\u00fcm \u00f6nceki|daha \u00f6nceki) (?:t\u00fcm "
     "|b\u00fct\u00fcn "
     ")?(?:talimatlar\u0131|talimatlar\u0131n|y\u00f6nergeleri|kurallar\u0131|komutlar\u0131) "
     "(?:yok say|"
     "g\u00f6rmezden gel|unut|dikkate alma)"},
    {"injection.ignore_instructions_id",
     "\\b(?:abaikan|lupakan) (?:(?:semua|seluruh|segala) "
     "){0,2}(?:instruksi|perintah|aturan|arahan) "
     "(?:sebelumnya|di atas|awal|terdahulu)"},
    {"injection.ignore_instructions_vi",
     "\\b(?:b\u1ecf qua|qu\u00ean|ph\u1edbt l\u1edd) "
     "(?:(?:t\u1ea5t|c\u1ea3|m\u1ecdi|c\u00e1c|to\u00e0n|b\u1ed9) "
     "){0,4}(?:h\u01b0\u1edbng d\u1eabn|ch\u1ec9 d\u1eabn|l\u1ec7nh|quy t\u1eafc) "
     "(?:tr\u01b0\u1edbc|"
     "\u1edf tr\u00ean|ban \u0111\u1ea7u|b\u00ean tr\u00ean)"},
    // In other scripts.
    {"injection.ignore_instructions_ru",
     "(?:\u0433\u043d\u043e\u0440\u0438\u0440\u0443\u0439|"
     "\u0437\u0430\u0431\u0443\u0434\u044c|\u0430\u0431\u0443\u0434\u044c)(?:\u0442\u0435)? "
     "(?:(?:\u0432\u0441\u0435|\u043e\u0431\u043e|\u043e|\u0432\u0441\u0435\u0445|"
     "\u0432\u0441\u0451|"
     "\u0442\u0432\u043e\u0438|\u0441\u0432\u043e\u0438) "
     "){0,3}(?:\u043f\u0440\u0435\u0434\u044b\u0434\u0443\u0449\u0438\u0435|"
     "\u043f\u0440\u0435\u0434\u044b\u0434\u0443\u0449\u0438\u0445|"
     "\u043f\u0440\u043e\u0448\u043b\u044b\u0435) "
     "(?:\u0438\u043d\u0441\u0442\u0440\u0443\u043a\u0446\u0438\u0438|"
     "\u0438\u043d\u0441\u0442\u0440\u0443\u043a\u0446\u0438\u0439|"
     "\u0443\u043a\u0430\u0437\u0430\u043d\u0438\u044f|\u043a\u043e\u043c\u0430\u043d\u0434\u044b|"
     "\u043f\u0440\u0430\u0432\u0438\u043b\u0430)"},
    {"injection.ignore_instructions_zh",
     "(?:\u5ffd\u7565|\u5ffd\u8996|\u5ffd\u89c6|\u65e0\u89c6|\u7121\u8996|\u5fd8\u8bb0|"
     "\u5fd8\u8a18|\u4e0d\u8981\u7406\u4f1a)"
     "(?:\u4f60|\u6389)?(?:\u4e4b\u524d|\u4ee5\u4e0a|\u4e0a\u9762|\u524d\u9762|\u6b64\u524d|"
     "\u5148\u524d|\u6240\u6709)"
     "(?:\u7684|\u6240\u6709|\u5168\u90e8|\u4e4b\u524d|\u4ee5\u4e0a|\u5148\u524d){0,4}"
     "(?:\u6307\u4ee4|\u6307\u793a|\u63d0\u793a|\u547d\u4ee4|\u89c4\u5219|\u898f\u5247|"
     "\u8bf4\u660e|\u8bbe\u5b9a)"},
    {"injection.ignore_instructions_ja",
     "(?:\u3053\u308c\u307e\u3067|\u4ee5\u524d|\u4e0a\u8a18|\u524d|\u4e0a|\u5148)\u306e(?:"
     "\u3059\u3079\u3066\u306e|\u5168\u3066\u306e|\u5168)?"
     "(?:\u6307\u793a|\u547d\u4ee4|\u30d7\u30ed\u30f3\u30d7\u30c8|\u30eb\u30fc\u30eb|\u6307\u4ee4)("
     "?:\u3092|\u306f)?"
     "(?:\u3059\u3079\u3066|\u5168\u3066|\u5168\u90e8)?(?:\u7121\u8996|\u5fd8\u308c)"},
    {"injection.ignore_instructions_ko",
     "(?:\uc774\uc804|\uc55e\uc120|\uc704\uc758|\uc9c0\uae08\uae4c\uc9c0\uc758|\uae30\uc874)(?:"
     "\uc758)? ?(?:\ubaa8\ub4e0 )?"
     "(?:\uc9c0\uc2dc|\uba85\ub839|\uc9c0\uce68|\uaddc\uce59|\ud504\ub86c\ud504\ud2b8)(?:"
     "\uc0ac\ud56d)?(?:\uc744|\ub97c|\uc740|\ub294)? ?"
     "(?:\ubaa8\ub450 |\uc804\ubd80 )?(?:\ubb34\uc2dc|\uc78a\uc5b4)"},
    {"injection.ignore_instructions_ar",
     "(?:\u062a\u062c\u0627\u0647\u0644|\u0627\u0646\u0633) (?:\u062c\u0645\u064a\u0639 "
     "|\u0643\u0644 |\u0643\u0627\u0641\u0629 )?"
     "(?:\u0627\u0644\u062a\u0639\u0644\u064a\u0645\u0627\u062a|"
     "\u0627\u0644\u0623\u0648\u0627\u0645\u0631|\u0627\u0644\u0627\u0648\u0627\u0645\u0631|"
     "\u0627\u0644\u0642\u0648\u0627\u0639\u062f) "
     "(?:\u0627\u0644\u0633\u0627\u0628\u0642\u0629|\u0623\u0639\u0644\u0627\u0647|"
     "\u0627\u0644\u0645\u0630\u0643\u0648\u0631\u0629)"},
    {"injection.ignore_instructions_hi",
     "(?:\u092a\u093f\u091b\u0932\u0947|\u092a\u0939\u0932\u0947 "
     "\u0915\u0947|\u092a\u0942\u0930\u094d\u0935|\u092a\u093f\u091b\u0932\u0940) "
     "(?:\u0938\u092d\u0940 )?"
     "(?:\u0928\u093f\u0930\u094d\u0926\u0947\u0936\u094b\u0902|"
     "\u0928\u093f\u0930\u094d\u0926\u0947\u0936|\u0906\u0926\u0947\u0936\u094b\u0902) "
     "(?:\u0915\u094b )?"
     "(?:\u0905\u0928\u0926\u0947\u0916\u093e|"
     "\u0928\u091c\u093c\u0930\u0905\u0902\u0926\u093e\u091c|"
     "\u0928\u091c\u0930\u0905\u0902\u0926\u093e\u091c|\u092d\u0942\u0932)"},
    {"injection.ignore_instructions_uk",
     "(?:\u0406|\u0456)\u0433\u043d\u043e\u0440\u0443\u0439(?:\u0442\u0435)? "
     "(?:(?:\u0432\u0441\u0456|\u0443\u0441\u0456) ){0,2}"
     "\u043f\u043e\u043f\u0435\u0440\u0435\u0434\u043d\u0456 "
     "(?:\u0456\u043d\u0441\u0442\u0440\u0443\u043a\u0446\u0456\u0457|"
     "\u0432\u043a\u0430\u0437\u0456\u0432\u043a\u0438|"
     "\u043f\u0440\u0430\u0432\u0438\u043b\u0430)"},
};

#undef EARLIER
#undef FILLERS
#undef ORDERS

}  // namespace

std::span<const Pattern> injections() { return kInjections; }

bool has_word_behind(std::string_view text, std::size_t at, std::string_view words) {
  constexpr std::size_t kReach = 120;
  std::array<char, kReach + 2> near;
  std::size_t size = 0;
  near[size++] = ' ';
  // Words, in lower case, with one space between them.
  for (const char c : text.substr(at, kReach)) {
    if (is_alnum(c)) {
      near[size++] = is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (near[size - 1] != ' ') {
      near[size++] = ' ';
    }
  }
  near[size++] = ' ';
  const std::string_view all(near.data(), size);
  for (; !words.empty(); words.remove_prefix(std::min(words.find('|'), words.size() - 1) + 1)) {
    const std::string_view word = words.substr(0, words.find('|'));
    for (std::size_t i = 0; (i = all.find(word, i)) != std::string_view::npos; ++i) {
      if (all[i - 1] == ' ' && all[i + word.size()] == ' ') return true;
    }
  }
  return false;
}

std::string in_words(std::string_view expression) {
  std::string made;
  bool is_class = false;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    if (c == '\\' && i + 1 < expression.size()) {
      made += c;
      made += expression[++i];
      continue;
    }
    if (c == '[') is_class = true;
    if (c == ']') is_class = false;
    if (c == ' ' && !is_class) {
      made += R"((?:[\s*_,"'`.:;()-]{1,4}))";  // One thing, for an operator behind it.
    } else {
      made += c;
    }
  }
  return made;
}

}  // namespace tollgate::content
