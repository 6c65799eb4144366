#include "dialects/form.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

namespace tollgate::dialects {
namespace {

constexpr std::string_view kType = "multipart/form-data; boundary=BOUND";
const std::string kModel =
    "--BOUND\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n";
const std::string kFile =
    "--BOUND\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a b.wav\"\r\n"
    "Content-Type: audio/wav\r\n\r\nRI\r\nFF\r\n";
const std::string kEnd = "--BOUND--\r\n";

std::string joined(std::initializer_list<std::string_view> texts) {
  std::string out;
  for (const std::string_view text : texts) out += text;
  return out;
}

Expected<void> read(const std::string& body, std::string_view type = kType) {
  Form form;
  return form.read(type, body);
}

TEST(Form, TellsItsPartsAsTheyCame) {
  Form form;
  const std::string body = kModel + kFile + kEnd;
  ASSERT_TRUE(form.read(kType, body));
  ASSERT_EQ(form.parts().size(), 2U);
  EXPECT_EQ(form.parts()[0].name, "model");
  EXPECT_EQ(form.parts()[0].bytes, "whisper");
  EXPECT_FALSE(form.parts()[0].is_file);
  EXPECT_TRUE(form.parts()[1].is_file);
  EXPECT_EQ(form.parts()[1].bytes, "RI\r\nFF");
  EXPECT_EQ(form.boundary(), "BOUND");
  EXPECT_TRUE(read(kModel + "--BOUND--", "Multipart/Form-Data;boundary=\"BOUND\""));
  EXPECT_TRUE(read("--BOUND\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n" + kEnd));
}

TEST(Form, IsReadBackAsItIsWritten) {
  std::string out;
  append_form_value("BOUND", "model", "large", out);
  append_form_file("BOUND", "file", {"audio.wav", "audio/wav"}, "--\r\n-BOUND", out);
  append_form_end("BOUND", out);
  Form form;
  ASSERT_TRUE(form.read(kType, out));
  EXPECT_EQ(form.parts()[0].bytes, "large");
  EXPECT_EQ(form.parts()[1].bytes, "--\r\n-BOUND");
}

TEST(Form, IsRefusedWhereReadersCouldDiffer) {
  const std::string head = "--BOUND\r\nContent-Disposition: form-data; name=\"model\"";
  for (const std::string& body :
       {std::string(), joined({"preamble\r\n", kModel, kEnd}), joined({"\r\n", kModel, kEnd}),
        kModel, joined({kModel, "--BOUND"}), joined({kModel, kEnd, "epilogue"}),
        joined({kModel, kEnd, kModel, kEnd}), joined({kModel, "--BOUND-x\r\n"}),
        joined({kModel, "--BOUNDARY--\r\n"}),
        // The boundary within a part, and a line end that is not one.
        joined({head, "\r\n\r\nwhis--BOUNDper\r\n", kEnd}),
        joined({head, "\r\n\r\nwhisper\n--BOUND--\r\n"}), joined({head, "\n\nwhisper\r\n", kEnd}),
        joined({head, "\r\nX:\n y\r\n\r\nwhisper\r\n", kEnd}),
        // Headers twice, unknown, folded or missing.
        joined({head, "\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nw\r\n", kEnd}),
        joined({head, "\r\nContent-Transfer-Encoding: base64\r\n\r\nw\r\n", kEnd}),
        joined({head, "\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n\r\nw\r\n", kEnd}),
        joined({head, ";\r\n filename=\"x\"\r\n\r\nw\r\n", kEnd}),
        joined({head, "; name=\"file\"\r\n\r\nw\r\n", kEnd}),
        joined({head, "; filename*=UTF-8''x\r\n\r\nw\r\n", kEnd}),
        joined({head, "; filename=\"a\\\"; name=\\\"b\"\r\n\r\nw\r\n", kEnd}),
        joined({"--BOUND\r\n\r\nw\r\n", kEnd}),
        joined({"--BOUND\r\nContent-Disposition: form-data\r\n\r\nw\r\n", kEnd}),
        joined({"--BOUND\r\nContent-Disposition: form-data; name=model\r\n\r\nw\r\n", kEnd}),
        joined({"--BOUND\r\nContent-Disposition: form-data; name=\"Model\"\r\n\r\nw\r\n", kEnd}),
        joined({"--BOUND\r\nContent-Disposition: attachment; name=\"x\"\r\n\r\nw\r\n", kEnd})}) {
    const Expected<void> form = read(body);
    ASSERT_FALSE(form) << body;
    EXPECT_EQ(form.error().reason, Reason::kInvalidRequest);
  }
  EXPECT_TRUE(read(joined({head, "\r\n\r\nwhisper\r\n", kEnd})));
  for (const std::string_view type :
       {"", "application/json", "multipart/form-data", "multipart/form-data; boundary=",
        "multipart/form-data; boundary=BOUND; charset=utf-8", "multipart/form-data; boundary=B D",
        "multipart/mixed; boundary=BOUND", "multipart/form-data; boundary=BOUND, text/plain"}) {
    EXPECT_FALSE(read(kModel + kEnd, type)) << type;
  }
  EXPECT_FALSE(read(kModel + kEnd, "multipart/form-data; boundary=" + std::string(71, 'a')));
}

TEST(Form, HasABoundForAllThatItHolds) {
  std::string many;
  for (std::size_t i = 0; i < Form::kPartsMax; ++i) many += kModel;
  EXPECT_TRUE(read(many + kEnd));
  EXPECT_FALSE(read(many + kModel + kEnd));
  EXPECT_FALSE(read("--BOUND\r\nContent-Type: " + std::string(1100, 'a') +
                    "\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nw\r\n" + kEnd));
}

}  // namespace
}  // namespace tollgate::dialects
