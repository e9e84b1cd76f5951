#include "config/interpolate.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"

namespace nexus::config::detail {
namespace {

/// Defaults may hold references, whose defaults may again.
constexpr std::size_t default_depth_max = 8;

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name(char c) {
  return is_name_start(c) || (c >= '0' && c <= '9');
}

/// Bytes of the variable name that `text` begins with.
std::size_t name_length(std::string_view text) {
  if (text.empty() || !is_name_start(text.front()))
    return 0;
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_name) -
                                  text.begin());
}

/// Offset of the brace that closes the one before `text`; an odd brace in a default does not
/// hide the first one.
std::size_t closing_brace(std::string_view text) {
  std::size_t open = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{')
      ++open;
    if (text[i] == '}' && open-- == 0)
      return i;
  }
  return text.find('}');
}

/// Folders and words that clients define. VS Code: "variables-reference"; Gemini CLI: extensions.
std::optional<std::string> predefined(std::string_view name, const scope& within) {
  const std::string& workspace = within.env.working_directory;
  if (name == "/" || name == "pathSeparator")
    return "/";
  if (name == "userHome")
    return within.env.home;
  if (name == "workspaceFolder" || name == "workspacePath" || name == "workspaceRoot" ||
      name == "cwd" || name.starts_with("workspaceFolder:")) {
    return workspace;
  }
  if (name == "workspaceFolderBasename") {
    return workspace.substr(workspace.find_last_of('/') + 1);
  }
  if (name == "extensionPath")
    return within.folder;
  return std::nullopt;
}

/// References that only the editor itself can resolve.
bool needs_the_editor(std::string_view name) {
  constexpr std::array words = {"file",       "fileBasename", "fileDirname", "relativeFile",
                                "lineNumber", "selectedText", "execPath"};
  return name.starts_with("command:") || name.starts_with("config:") ||
         std::find(words.begin(), words.end(), name) != words.end();
}

class expander {
 public:
  expander(const scope& within, text_kind kind) : within_(within), kind_(kind) {}

  void run(std::string_view text, std::size_t depth) {
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t used = reference(text.substr(i), depth);
      if (used == 0)
        out_.text += text[i];
      i += std::max<std::size_t>(used, 1);
    }
  }
  expansion take() { return std::move(out_); }

 private:
  /// Expands the reference that `text` begins with; returns its length, 0 when there is none.
  std::size_t reference(std::string_view text, std::size_t depth) {
    switch (text.front()) {
    case '$':
      return dollar(text, depth);
    case '{':
      return brace(text, depth);
    case '%':
      return percent(text);
    default:
      return 0;
    }
  }

  std::size_t dollar(std::string_view text, std::size_t depth) {
    if (text.size() > 3 && text[1] == '{' && text[3] == '}' &&
        std::string_view("$%{").find(text[2]) != std::string_view::npos) {
      out_.text += text[2];
      return 4;
    }
    if (text.size() > 1 && text[1] == '{') {
      const std::size_t close = closing_brace(text.substr(2));
      if (close == std::string_view::npos)
        return 0;
      braced(text.substr(2, close), text.substr(0, close + 3), depth);
      return close + 3;
    }
    const std::size_t length = name_length(text.substr(1));
    if (length == 0)
      return 0;
    variable(text.substr(1, length), std::nullopt, text.substr(0, length + 1), depth);
    return length + 1;
  }

  /// The inside of `${...}`.
  void braced(std::string_view inside, std::string_view whole, std::size_t depth) {
    if (auto text = predefined(inside, within_)) {
      out_.text += *text;
    } else if (inside.starts_with("env:")) {
      if (!named(inside.substr(4), whole, depth))
        unknown(whole);
    } else if (inside.starts_with("input:")) {
      input(inside.substr(6));
    } else if (needs_the_editor(inside)) {
      problem("only an editor can resolve " + shorten(whole), "write the value itself");
    } else if (!named(inside, whole, depth)) {
      unknown(whole);
    }
  }

  /// `NAME` or `NAME:-default`; false when it is neither.
  bool named(std::string_view inside, std::string_view whole, std::size_t depth) {
    const std::size_t length = name_length(inside);
    if (length == 0)
      return false;
    const std::string_view name = inside.substr(0, length);
    const std::string_view rest = inside.substr(length);
    if (rest.empty()) {
      variable(name, std::nullopt, whole, depth);
    } else if (rest.starts_with(":-")) {
      variable(name, rest.substr(2), whole, depth);
    } else {
      return false;
    }
    return true;
  }

  /// `{env:NAME}` and `{file:path}`.
  std::size_t brace(std::string_view text, std::size_t depth) {
    const bool is_env = text.starts_with("{env:");
    if (!is_env && !text.starts_with("{file:"))
      return 0;
    const std::size_t close = text.find('}');
    if (close == std::string_view::npos)
      return 0;
    const std::string_view whole = text.substr(0, close + 1);
    const std::size_t colon = text.find(':');
    const std::string_view inside = text.substr(colon + 1, close - colon - 1);
    if (!is_env) {
      file(inside);
    } else if (!named(inside, whole, depth)) {
      unknown(whole);
    }
    return close + 1;
  }

  /// `%NAME%`, only when the variable is set: per cents are common in other roles.
  std::size_t percent(std::string_view text) {
    const std::size_t length = name_length(text.substr(1));
    if (length == 0 || text.size() < length + 2 || text[length + 1] != '%')
      return 0;
    if (kind_ == text_kind::url && length >= 2 && is_hex(text[1]) && is_hex(text[2]))
      return 0;
    const auto found = within_.env.variables.find(std::string(text.substr(1, length)));
    if (found == within_.env.variables.end())
      return 0;
    out_.text += found->second;
    return length + 2;
  }

  void variable(std::string_view name, std::optional<std::string_view> fallback,
                std::string_view whole, std::size_t depth) {
    const auto found = within_.env.variables.find(std::string(name));
    const bool set = found != within_.env.variables.end();
    // As in a shell, ":-" also replaces an empty value.
    if (set && !(fallback && found->second.empty())) {
      out_.text += found->second;
    } else if (fallback && depth < default_depth_max) {
      run(*fallback, depth + 1);
    } else if (fallback) {
      out_.text += *fallback;
    } else {
      unset(name, whole);
    }
  }

  void unset(std::string_view name, std::string_view whole) {
    switch (within_.unset) {
    case unset_policy::error:
      problem("environment variable " + shorten(name) + " is not set",
              "set it, or give a default: ${" + shorten(name) + ":-...}");
      return;
    case unset_policy::literal:
      out_.text += whole;
      break;
    case unset_policy::empty:
      break;
    }
    out_.unset.emplace_back(name);
  }

  void input(std::string_view id) {
    const std::string name = input_variable(id);
    const auto found = within_.env.variables.find(name);
    if (found != within_.env.variables.end()) {
      out_.text += found->second;
      return;
    }
    if (const node* fallback = input_default(id)) {
      out_.text += fallback->text;
      return;
    }
    problem("input " + quote(shorten(id)) + " has no value", "set " + shorten(name));
  }

  [[nodiscard]] const node* input_default(std::string_view id) const {
    if (within_.inputs == nullptr)
      return nullptr;
    for (const node& entry : within_.inputs->items) {
      const node* name = entry.get("id");
      const node* value = entry.get("default");
      if (name != nullptr && name->is(node_kind::string) && name->text == id && value != nullptr &&
          value->is(node_kind::string)) {
        return value;
      }
    }
    return nullptr;
  }

  void file(std::string_view path) {
    const std::string resolved = resolve_path(path, within_.folder, within_.env);
    const auto text = within_.env.read_file ? within_.env.read_file(resolved) : std::nullopt;
    if (!text) {
      problem("file " + quote(shorten(path)) + " cannot be read",
              "relative paths begin at the configuration's folder");
      return;
    }
    out_.text += trim(*text);
  }

  void problem(std::string message, std::string remedy) {
    if (!out_.problem.empty())
      return;
    out_.problem = std::move(message);
    out_.remedy = std::move(remedy);
  }

  void unknown(std::string_view whole) {
    out_.text += whole;
    out_.unknown.emplace_back(shorten(whole));
  }

  const scope& within_;
  text_kind kind_;
  expansion out_;
};

} // namespace

expansion expand(std::string_view text, const scope& within, text_kind kind) {
  expander work(within, kind);
  work.run(text, 0);
  return work.take();
}

std::string escape_literal(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    const bool special = rest.front() == '$' || rest.front() == '%' || rest.starts_with("{env:") ||
                         rest.starts_with("{file:");
    // A per cent that no name follows can stay readable.
    if (special && (rest.front() != '%' || name_length(rest.substr(1)) > 0)) {
      out += {'$', '{', rest.front(), '}'};
    } else {
      out += rest.front();
    }
  }
  return out;
}

std::string input_variable(std::string_view id) {
  std::string name = "NEXUS_INPUT_";
  for (const char c : id) {
    name += !is_name(c) ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

std::string folder_of(std::string_view file_name, const environment& env) {
  const std::size_t slash = file_name.find_last_of('/');
  if (slash == std::string_view::npos)
    return env.working_directory;
  const std::string_view folder = file_name.substr(0, std::max<std::size_t>(slash, 1));
  return resolve_path(folder, env.working_directory, env);
}

std::string resolve_path(std::string_view path, std::string_view folder, const environment& env) {
  if (path == "~")
    return env.home;
  if (path.starts_with("~/"))
    return env.home + std::string(path.substr(1));
  if (path.starts_with('/') || folder.empty())
    return std::string(path);
  while (path.starts_with("./"))
    path.remove_prefix(2);
  if (path.empty() || path == ".")
    return std::string(folder);
  return std::string(folder) + (folder.ends_with('/') ? "" : "/") + std::string(path);
}

} // namespace nexus::config::detail
