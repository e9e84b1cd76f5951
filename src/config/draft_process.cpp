#include <algorithm>
#include <iterator>

#include "config/draft_reader.hpp"

namespace nexus::config::detail {

void draft_reader::read_command(const node& value) {
  has_command_ = true;
  if (value.is(node_kind::array)) {
    append(command_, read_list(value, "command", findings_));
  } else if (value.is(node_kind::object)) {
    for (const member& entry : value.members) {
      if (entry.key == "path") {
        if (auto path = text(entry.value, "path"))
          command_.push_back(std::move(*path));
      } else if (entry.key == "args") {
        append(args_, read_list(entry.value, "args", findings_));
      } else if (entry.key == "env" && !entry.value.is(node_kind::null)) {
        read_env(entry.value, "env");
      }
    }
  } else if (auto path = text(value, "command")) {
    command_.push_back(std::move(*path));
  } else {
    command_broken_ = true;
  }
  if (!command_broken_ && (command_.empty() || command_.front().text.empty())) {
    command_broken_ = true;
    findings_.error(value.at, "expected a program for \"command\", found nothing");
  }
}

void draft_reader::read_env(const node& value, std::string_view key) {
  if (!value.is(node_kind::object)) {
    findings_.wrong_kind(value, "an object of names and values", key);
    return;
  }
  for (const member& entry : value.members) {
    if (entry.key.empty() || entry.key.contains('=') || entry.key.contains('\0')) {
      findings_.error(entry.at,
                      quote(shorten(entry.key)) + " is no name of an environment variable");
    } else if (entry.value.is(node_kind::null)) {
      if (std::ranges::find(draft_.env_unset, entry.key) == draft_.env_unset.end()) {
        draft_.env_unset.push_back(entry.key);
      }
    } else if (auto text = read_scalar(entry.value, entry.key, findings_)) {
      set_variable(entry.key, as_written(std::move(*text)));
    }
  }
}

void draft_reader::set_variable(const std::string& name, text_at value) {
  const auto same = [&](const auto& entry) { return entry.first == name; };
  const auto found = std::ranges::find_if(draft_.env, same);
  if (found == draft_.env.end())
    draft_.env.emplace_back(name, std::move(value));
  else
    found->second = std::move(value);
}

void draft_reader::finish_stdio(const node& object) {
  draft_.url.reset();
  if (!has_command_) {
    missing(object, "command", type_.has_value());
    return;
  }
  if (command_broken_)
    return;
  draft_.argv = std::move(command_);
  const std::string& program = draft_.argv.front().text;
  if (draft_.argv.size() == 1 && args_.empty() && program.contains(' ') && !program.contains('/') &&
      !program.contains('\\')) {
    findings_.warning(draft_.argv.front().at, "\"command\" is one program, not a command line",
                      "put the words behind the first one into \"args\"");
  }
  std::move(args_.begin(), args_.end(), std::back_inserter(draft_.argv));
}

} // namespace nexus::config::detail
