#include "text/chat_record.h"

#include <optional>
#include <string_view>

#include "text/white_space.h"

namespace mft {
namespace {

struct Message {
  std::string role;
  std::string content;
};

// One {"role", "content"}; other fields are skipped.
void read_message(JsonReader& json, const std::string& where, Message& message) {
  bool has_role = false;
  bool has_content = false;
  std::string key;
  json.begin_object(where);
  while (json.next_key(key)) {
    const bool is_role = key == "role";
    if (!is_role && key != "content") {
      json.skip();
      continue;
    }
    bool& has = is_role ? has_role : has_content;
    if (has) json.fail("\"" + key + "\" once in a message of " + where, "it twice");
    has = true;
    json.read_string(is_role ? message.role : message.content, "\"" + key + "\" of a message of " + where);
  }
  if (!has_role) json.fail("\"role\" in each message of " + where, "none");
  if (!has_content) json.fail("\"content\" in each message of " + where, "none");
}

// Renders message after message, so that a long conversation is held once.
class Renderer {
 public:
  Renderer(const v1::ChatTemplate& chat, bool learn_all, std::vector<Piece>& pieces, const JsonReader& json)
      : chat_(chat), learn_all_(learn_all), pieces_(pieces), json_(json) {}

  void add(const Message& message) {
    const bool first = count_++ == 0;
    if (first) {
      put(chat_.begin());
      if (message.role != "system") put(chat_.default_system());
    }
    const bool trim = chat_.trim() && !(chat_.system_untrimmed() && message.role == "system");
    const std::string_view content = trim ? strip(message.content) : std::string_view(message.content);
    if (message.role == "system") {
      if (!first) json_.fail("a system message as the first only", "one further behind");
      return add_system(content);
    }
    if (message.role != "user" && message.role != "assistant")
      json_.fail("\"system\", \"user\" or \"assistant\" as \"role\"", "another");
    const bool user = message.role == "user";
    if (chat_.alternate() && user == user_was_last_)
      json_.fail(user ? "an assistant's message after a user's"
                      : "a user's message first, and after each of the assistant's",
                 "role \"" + message.role + "\"");
    if (system_ && !user) json_.fail("a user's message after the system message", "role \"assistant\"");
    user_was_last_ = user;
    const v1::ChatTemplate::Turn& turn = user ? chat_.user() : chat_.assistant();
    require(turn, message.role);
    put(turn.before());
    if (system_) {
      put(*system_);
      put(chat_.system_joint());
      system_.reset();
    }
    put(content, !user);
    put(turn.end(), !user);
    put(turn.after());
  }

  void finish() {
    if (count_ == 0) json_.fail("at least one message", "an empty list");
    if (system_) json_.fail("a user's message after the system message", "none");
  }

 private:
  void add_system(std::string_view content) {
    if (chat_.system_in_user()) {
      system_ = content;
      return;
    }
    require(chat_.system(), "system");
    put(chat_.system().before());
    put(content);
    put(chat_.system().end());
    put(chat_.system().after());
  }

  void require(const v1::ChatTemplate::Turn& turn, const std::string& role) {
    if (!turn.supported())
      json_.fail("a role that the model's chat template has", "role \"" + role + "\", which it refuses");
  }

  void put(std::string_view text, bool learned = false) {
    append_piece(text, learned || learn_all_, pieces_, json_);
  }

  const v1::ChatTemplate& chat_;
  const bool learn_all_;
  std::vector<Piece>& pieces_;
  const JsonReader& json_;
  std::size_t count_ = 0;
  bool user_was_last_ = false;
  std::optional<std::string> system_;  // waits for the first user message
};

}  // namespace

void read_messages(JsonReader& json, const std::string& field, const v1::ChatTemplate& chat, bool learn_all,
                   std::vector<Piece>& pieces) {
  const std::string where = "field \"" + field + "\"";
  Renderer renderer(chat, learn_all, pieces, json);
  Message message;
  json.begin_list(where);
  while (json.next_element()) {
    read_message(json, where, message);
    renderer.add(message);
  }
  renderer.finish();
}

}  // namespace mft
