// A conversation, {"messages": [{"role", "content"}, ...]}, as its model's chat template renders it.
#pragma once

#include <string>
#include <vector>

#include "mft/v1/run.pb.h"
#include "text/json_reader.h"
#include "text/records.h"

namespace mft {

// Reads the list of messages that comes next and appends its rendering to `pieces`; of an assistant's message
// its content and what closes its turn are learned (with learn_all: everything). field: its name, for
// messages. Failure data.bad-record for a role that the template has not, messages out of turn, an empty
// list, a system message that is not the first.
void read_messages(JsonReader& json, const std::string& field, const v1::ChatTemplate& chat, bool learn_all,
                   std::vector<Piece>& pieces);

}  // namespace mft
