#include "api/cdp_message.h"

#include <gmock/gmock.h>

namespace troupe::api {
namespace {

std::string method_of(std::string_view text, std::size_t step = 1 << 20) {
  MethodScanner scanner;
  for (std::size_t at = 0; at < text.size(); at += step) scanner.feed(text.substr(at, step));
  return scanner.method();
}

TEST(MethodScanner, FindsTheMethodWhereverItStandsAndHoweverItIsCut) {
  const std::vector<std::string> texts = {
      R"({"id":1,"method":"Browser.close"})",
      R"( { "params" : {"method":"Page.enable","a":[{"method":"x"}]} , "method" : "Browser.close" })",
      R"({"method":"Browser.close","params":{"expression":"\"},\"method\":\"Page.enable\""}})",
      R"({"m\u0065thod":"Browser\u002eclose"})",
      R"({"method":"Page.enable","method":"Browser.close"})",
      R"({"sessionId":"method","x":"method","method":"Browser.close"})"};
  for (const auto& text : texts)
    for (const std::size_t step : {1, 2, 3, 5, 1'000})
      EXPECT_EQ(method_of(text, step), "Browser.close") << text;
}

TEST(MethodScanner, IsNotMisledByWhatIsNoMethod) {
  EXPECT_EQ(method_of(R"({"id":1,"params":{"method":"Browser.close"}})"), "");
  EXPECT_EQ(method_of(R"({"id":1,"method":{"a":"Browser.close"}})"), "");
  EXPECT_EQ(method_of(R"({"a":"method","b":"Browser.close"})"), "");
  EXPECT_EQ(method_of("no json at all"), "");
  EXPECT_EQ(method_of("{\"method\":\"" + std::string(5'000, 'x') + "\"}").size(), 128u);
}

TEST(CdpMessage, PutsTheSessionsDirectoryInPlaceOfTheClients) {
  const auto change = [](const char* text) {
    return json::parse(with_download_dir(json::parse(text).as_object(), "/data/s1")).as_object();
  };
  const auto changed = change(
      R"({"id":7,"method":"Browser.setDownloadBehavior","sessionId":"S",
          "params":{"behavior":"allowAndName","downloadPath":"/tmp/client","eventsEnabled":true}})");
  EXPECT_EQ(changed.at("id"), 7);
  EXPECT_EQ(changed.at("sessionId"), "S");
  const auto& params = changed.at("params").as_object();
  EXPECT_EQ(params.at("downloadPath"), "/data/s1");
  EXPECT_EQ(params.at("behavior"), "allowAndName");
  EXPECT_EQ(params.at("eventsEnabled"), true);

  const auto deny = change(R"({"id":1,"params":{"behavior":"deny"}})");
  EXPECT_FALSE(deny.at("params").as_object().contains("downloadPath"));
  const auto without = change(R"({"id":1,"params":{"behavior":"allow"}})");
  EXPECT_EQ(without.at("params").as_object().at("downloadPath"), "/data/s1");
}

TEST(CdpMessage, FindsUploadedFilesInTheSessionsDirectory) {
  const auto command = json::parse(
      R"({"id":7,"params":{"nodeId":3,"files":["/tmp/.uploads/a b.csv","/elsewhere/.uploads/c",
          "/tmp/.uploads/../../x","/tmp/.uploads/..","/tmp/.uploads/",5]}})");
  const auto changed = json::parse(with_uploads_dir(command.as_object(), "/data/s1"));
  EXPECT_EQ(changed.at("params").at("nodeId"), 3);
  EXPECT_EQ(changed.at("params").at("files"),
            json::parse(R"(["/data/s1/a b.csv","/elsewhere/.uploads/c","/tmp/.uploads/../../x",
                            "/tmp/.uploads/..","/tmp/.uploads/",5])"));
  const auto without = json::parse(R"({"id":1,"params":{"files":"x"}})");
  EXPECT_EQ(json::parse(with_uploads_dir(without.as_object(), "/data/s1")), without);
}

TEST(CdpMessage, AnswersWithTheIdAndTheFlatSession) {
  const auto command = json::parse(R"({"id":3,"method":"Browser.close","sessionId":"S"})");
  EXPECT_EQ(empty_answer(command.as_object()), R"({"id":3,"result":{},"sessionId":"S"})");
  EXPECT_EQ(json::parse(error_answer(command.as_object(), "no")).at("error").at("message"), "no");
}

TEST(CdpMessage, KeysForPagesAllowLittle) {
  EXPECT_TRUE(is_allowed(KeyScope::view, "Page.startScreencast"));
  EXPECT_FALSE(is_allowed(KeyScope::view, "Input.dispatchKeyEvent"));
  EXPECT_TRUE(is_allowed(KeyScope::control, "Input.dispatchKeyEvent"));
  EXPECT_FALSE(is_allowed(KeyScope::control, "Runtime.evaluate"));
  EXPECT_TRUE(is_allowed(KeyScope::connect, "Runtime.evaluate"));
}

}  // namespace
}  // namespace troupe::api
