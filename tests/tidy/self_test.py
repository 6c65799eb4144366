#!/usr/bin/env python3
"""Shows every rule of tidy.py a tree that breaks it, and one that does not."""
import unittest

import tidy

CMAKE = """
set(controls limits cost)
tollgate_room(base FOLDER base PRIVATE fmt::fmt)
tollgate_room(limits FOLDER controls/limits LINKS tollgate_base PRIVATE fmt::fmt)
tollgate_room(cost FOLDER controls/cost LINKS tollgate_limits)
tollgate_room(pipeline FOLDER pipeline
              LINKS tollgate_base ${control_libraries}
              PRIVATE fmt::fmt)
tollgate_room(net FOLDER net LINKS tollgate_pipeline PRIVATE fmt::fmt)
"""
HEADERS = {"src/base/units.h": "#pragma once\n", "src/controls/cost/cost.h": "#pragma once\n",
           "src/pipeline/ports.h": "#pragma once\n", "src/pipeline/pipeline.h": "#pragma once\n",
           "src/net/net.h": "#pragma once\n"}


def tree_with(path, text):
    return {"CMakeLists.txt": CMAKE, "dev": "", **HEADERS, path: text}


class Tidy(unittest.TestCase):
    def breaks(self, check, path, text, words):
        found = list(check(tree_with(path, text)))
        self.assertTrue(any(words in complaint for complaint in found), found)

    def keeps(self, check, path, text):
        self.assertEqual(list(check(tree_with(path, text))), [])

    def test_arrows(self):
        include = '#include "{}"\n'
        arrows = tidy.check_arrows
        self.keeps(arrows, "src/net/a.cc", include.format("pipeline/ports.h"))
        self.keeps(arrows, "src/net/a.cc", include.format("controls/cost/cost.h"))
        self.keeps(arrows, "src/pipeline/a.cc", include.format("pipeline/pipeline.h"))
        self.breaks(arrows, "src/net/a.cc", include.format("pipeline/pipeline.h"), "only its ports")
        self.breaks(arrows, "src/pipeline/a.cc", include.format("net/net.h"), "may not include")
        self.breaks(arrows, "src/controls/limits/a.cc", include.format("controls/cost/cost.h"),
                    "may not include")
        self.breaks(arrows, "src/net/a.cc", include.format("net.h"), "no path from src/")
        self.breaks(arrows, "src/attic/a.cc", "", "in no room")

    def test_room_circles(self):
        circle = "set(controls x)\ntollgate_room(a FOLDER a LINKS tollgate_b)\n" \
                 "tollgate_room(b FOLDER b LINKS tollgate_a)\n"
        self.assertEqual(len(list(tidy.check_arrows({"CMakeLists.txt": circle}))), 2)

    def test_include_circles(self):
        tree = {"src/a.h": '#include "b.h"\n', "src/b.h": '#include "a.h"\n'}
        self.assertTrue(list(tidy.check_include_circles(tree)))

    def test_lines(self):
        self.keeps(tidy.check_lines, "src/net/a.cc", "x\n" * 600)
        self.breaks(tidy.check_lines, "src/net/a.cc", "x\n" * 601, "601 lines")
        self.breaks(tidy.check_lines, "src/net/a.cc", "x" * 101, "101 columns")
        self.breaks(tidy.check_lines, "src/net/a.cc", "// " + "x" * 99, "102 columns")
        self.keeps(tidy.check_lines, "src/net/a.cc", 'f(R"({})");'.format("x" * 200))
        self.breaks(tidy.check_lines, "tests/e2e/a_test.mjs", "\tx", "a tab")

    def test_functions(self):
        def body(lines):
            return "{\n" + "  if (x) { y(); }\n" * (lines - 2) + "}\n"

        for head in ("void f() ", "Task<Expected<int>> A::f(int x = 0) const ", "TEST(A, B) ",
                     "A::A(int x) : x_(x), y_{1} ", "bool operator==(const A& a) ",
                     "namespace n {\nstruct A {\n  void g(); int f() ",
                     'const char* f(const char* q = "{") '):
            self.breaks(tidy.check_functions, "src/net/a.cc", head + body(71), "of 7")
            self.keeps(tidy.check_functions, "src/net/a.cc", head + body(67))
        for head in ("namespace tollgate ", "struct A ", "const Row kRows[] = "):
            self.keeps(tidy.check_functions, "src/net/a.cc",
                       head + "{\n" + "  int x;\n" * 90 + "};\n")
        self.keeps(tidy.check_functions, "src/net/a.cc",
                   "void f() { g('{', \"}\", R\"({{{)\", 1'000); }\n" + "int x;\n" * 90)

    def test_names(self):
        self.keeps(tidy.check_names, "src/net/listener.cc", "")
        for path in ("src/util/a.cc", "src/net/tls_helper.cc", "src/common.h",
                     "tests/misc_test.cc"):
            self.breaks(tidy.check_names, path, "", "says nothing")

    def test_words(self):
        words = tidy.check_words
        self.breaks(words, "src/net/a.cc", "// FIX" "ME: later\n", "finish it")
        self.breaks(words, "src/net/a.cc", "std::regex pattern;\n", "not linear")
        self.breaks(words, "src/net/a.h", "int x;\n", "no #pragma once")
        self.breaks(words, "src/net/a_test.cc", "std::this_thread::sleep_for(1ms);\n", "sleeps")
        self.breaks(words, "src/net/a_test.cc", "  usleep(10);\n", "sleeps")
        self.keeps(words, "src/net/a_test.cc", "co_await loop.sleep(1s);  // sleep(1)\n")
        self.keeps(words, "src/net/a.cc", "sleep_for(1ms);\n")

    def test_waits(self):
        self.breaks(tidy.check_waits, "tests/e2e/a_test.mjs", "import 'node:timers/promises'",
                    "sleeps")
        self.keeps(tidy.check_waits, "tests/e2e/a_test.mjs", "await poll(() => done);")

    def test_reasons(self):
        enum = "enum class Reason : int {\n  kOne,  // kThree\n  kTwo,\n};\n"
        tree = {"src/base/refusal.h": enum, "src/base/a_test.cc": "Reason::kOne"}
        self.assertEqual(list(tidy.check_reasons(tree)),
                         ["src/base/refusal.h: no test names Reason::kTwo"])

    def test_every_check_has_a_test(self):
        for check in tidy.CHECKS:
            self.assertTrue(any(name.startswith(check.__name__.replace("check_", "test_"))
                                for name in dir(self)), check.__name__)


if __name__ == "__main__":
    unittest.main()
