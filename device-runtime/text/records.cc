#include "text/records.h"

#include <utility>

#include "base/error.h"
#include "text/chat_record.h"
#include "text/choice_prompt.h"

namespace mft {
namespace {

constexpr std::int64_t kNotLearned = -100;  // in a list of labels, as torch's ignore_index

std::string quoted(const std::string& name) { return "field \"" + name + "\""; }

// A field that the record must have, once.
class Field {
 public:
  explicit Field(const std::string& name) : name_(name) {}
  const std::string& name() const { return name_; }
  bool has() const { return has_; }
  void begin(const JsonReader& json) {
    if (has_) json.fail(quoted(name_) + " once", "it twice");
    has_ = true;
  }
  void require(const JsonReader& json) const {
    if (!has_) json.fail(quoted(name_), "none");
  }

 private:
  const std::string& name_;
  bool has_ = false;
};

// One segment {"text", "label"}.
void read_segment(JsonReader& json, const std::string& where, std::string& text, bool& label) {
  static const std::string kText = "text";
  static const std::string kLabel = "label";
  Field text_field(kText);
  Field label_field(kLabel);
  std::string key;
  json.begin_object(where);
  while (json.next_key(key)) {
    if (key == kText) {
      text_field.begin(json);
      json.read_string(text, "\"text\" of a segment of " + where);
    } else if (key == kLabel) {
      label_field.begin(json);
      label = json.read_bool("\"label\" of a segment of " + where);
    } else {
      json.skip();
    }
  }
  text_field.require(json);
  label_field.require(json);
}

// "or equal": a label other than its token would be another task.
void check_labels(JsonReader& json, const std::vector<std::int32_t>& ids,
                  const std::vector<std::int32_t>& labels, std::vector<bool>& learned) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    learned[i] = labels[i] != kNotLearned;
    if (learned[i] && labels[i] != ids[i])
      json.fail("-100 or the token's own id as a label", "another id as label " + std::to_string(i));
  }
}

}  // namespace

void append_piece(std::string_view text, bool learned, std::vector<Piece>& pieces, const JsonReader& json) {
  if (text.empty()) return;
  if (!pieces.empty() && pieces.back().learned == learned) {
    pieces.back().text += text;
    return;
  }
  if (pieces.size() == kMaxPieces) json.fail("at most " + std::to_string(kMaxPieces) + " pieces", "more");
  pieces.push_back({std::string(text), learned});
}

RecordReader::RecordReader(ByteReader read, std::string name, RecordRules rules)
    : rules_(std::move(rules)), source_(std::move(read), std::move(name)), json_(source_) {
  if (rules_.format == v1::DATA_FORMAT_MESSAGES && !rules_.chat) {
    throw Failure("data.chat-template",
                  source_.name() +
                      " has conversations, but the model has no chat template that can be used: " +
                      (rules_.chat_refusal.empty() ? "it came with none" : rules_.chat_refusal),
                  "Give one with data.chat_template, or data in another format.");
  }
}

bool RecordReader::next(Record& record) {
  if (!json_.next_record()) return false;
  record.pieces.clear();
  record.ids.clear();
  record.learned.clear();
  record.all_ids = 0;
  record.begins = record.ends = false;
  read_fields(record);
  json_.end_record();
  return true;
}

void RecordReader::read_fields(Record& record) {
  const FieldNames& names = rules_.fields;
  const bool all = rules_.learn_all;
  std::string key;
  switch (rules_.format) {
    case v1::DATA_FORMAT_TEXTS: {
      Field text(names.text);
      Piece piece{"", true};
      json_.begin_object("");
      while (json_.next_key(key)) {
        if (key != text.name()) {
          json_.skip();
          continue;
        }
        text.begin(json_);
        json_.read_string(piece.text, quoted(key));
      }
      text.require(json_);
      record.begins = record.ends = true;
      record.pieces.push_back(std::move(piece));
      return;
    }
    case v1::DATA_FORMAT_PROMPT_COMPLETION: {
      Field prompt(names.prompt);
      Field completion(names.completion);
      record.pieces = {{"", all}, {"", true}};
      json_.begin_object("");
      while (json_.next_key(key)) {
        Field* const field = key == prompt.name()       ? &prompt
                             : key == completion.name() ? &completion
                                                        : nullptr;
        if (field == nullptr) {
          json_.skip();
          continue;
        }
        field->begin(json_);
        json_.read_string(record.pieces[field == &prompt ? 0 : 1].text, quoted(key));
      }
      prompt.require(json_);
      completion.require(json_);
      record.begins = record.ends = true;
      return;
    }
    case v1::DATA_FORMAT_CHOICES: {
      const ChoiceQuestion question = read_choice_question(json_, names.choice);
      record.begins = true;
      record.pieces = {{choice_prompt(question), all}, {" " + choice_letter(question.answer), true}};
      return;
    }
    case v1::DATA_FORMAT_MESSAGES:
    case v1::DATA_FORMAT_SEGMENTS: {
      const bool messages = rules_.format == v1::DATA_FORMAT_MESSAGES;
      Field list(messages ? names.messages : names.segments);
      json_.begin_object("");
      while (json_.next_key(key)) {
        if (key != list.name()) {
          json_.skip();
          continue;
        }
        list.begin(json_);
        if (messages) {
          read_messages(json_, key, *rules_.chat, all, record.pieces);
        } else {
          read_segments(record, key);
        }
      }
      list.require(json_);
      return;
    }
    case v1::DATA_FORMAT_IDS:
      return read_ids(record);
    default:
      throw Failure("internal", "records of format " + format_name(rules_.format));
  }
}

void RecordReader::read_segments(Record& record, const std::string& field) {
  const std::string where = quoted(field);
  std::string text;
  bool label = false;
  json_.begin_list(where);
  while (json_.next_element()) {
    read_segment(json_, where, text, label);
    append_piece(text, label || rules_.learn_all, record.pieces, json_);
  }
}

void RecordReader::read_ids(Record& record) {
  Field ids(rules_.fields.input_ids);
  Field labels(rules_.fields.labels);
  std::vector<std::int32_t> label_ids;
  std::uint64_t all_labels = 0;
  const auto read_list = [&](const std::string& where, std::int64_t least, std::vector<std::int32_t>& out) {
    std::uint64_t count = 0;
    json_.begin_list(where);
    for (; json_.next_element(); ++count) {
      const std::int64_t id = json_.read_integer(where);
      if ((id < 0 && id != least) || id >= static_cast<std::int64_t>(rules_.id_limit))
        json_.fail("ids below " + std::to_string(rules_.id_limit) + ", the model's vocabulary, in " + where,
                   std::to_string(id));
      if (count < rules_.max_ids) out.push_back(static_cast<std::int32_t>(id));
    }
    return count;
  };
  std::string key;
  json_.begin_object("");
  while (json_.next_key(key)) {
    if (key == ids.name()) {
      ids.begin(json_);
      record.all_ids = read_list(quoted(key), 0, record.ids);
    } else if (key == labels.name()) {
      labels.begin(json_);
      all_labels = read_list(quoted(key), kNotLearned, label_ids);
    } else {
      json_.skip();
    }
  }
  ids.require(json_);
  record.learned.assign(record.ids.size(), true);
  if (!labels.has()) return;
  if (all_labels != record.all_ids)
    json_.fail(std::to_string(record.all_ids) + " labels, as many as ids", std::to_string(all_labels));
  check_labels(json_, record.ids, label_ids, record.learned);
  if (rules_.learn_all) record.learned.assign(record.ids.size(), true);
}

}  // namespace mft
