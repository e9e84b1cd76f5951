#include "registry/pins.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/limits.hpp"
#include "registry/fingerprint.hpp"

namespace nexus::registry {
namespace {

using catalog::list_kind;

std::string kept(std::string_view definition) {
  return definition.size() > limits::pinned_definition_bytes_max ? std::string()
                                                                 : std::string(definition);
}

/// Compares one kind of list.
class checker {
 public:
  checker(pin_check& to, std::string_view server, pin_policy policy, store::wall_ms now)
      : to_(to), server_(server), policy_(policy), now_(now) {}

  void check(list_kind kind, const catalog::item_list& list, const std::vector<store::pin>& pins) {
    std::unordered_map<std::string_view, const store::pin*> known;
    for (const store::pin& p : pins)
      if (p.kind == pin_kind(kind))
        known.emplace(p.name, &p);
    for (const catalog::item& item : list.items()) {
      const std::string_view definition = list.definition(item);
      const auto digest = seal::to_hex(definition_digest(definition));
      const auto found = known.find(item.name);
      if (found == known.end()) {
        add(kind, item.name, definition, digest);
        continue;
      }
      compare(kind, *found->second, definition, digest);
      known.erase(found);
    }
    for (const store::pin& p : pins)
      if (p.kind == pin_kind(kind) && p.gone_at == 0 && known.contains(p.name)) {
        ++to_.gone;
        to_.update.put.push_back(p);
        to_.update.put.back().gone_at = now_;
      }
  }

 private:
  void add(list_kind kind, const std::string& name, std::string_view definition,
           const std::string& digest) {
    ++to_.added;
    store::pin made;
    made.server = server_;
    made.kind = pin_kind(kind);
    made.name = name;
    made.sha256 = digest;
    made.definition = kept(definition);
    made.first_seen = now_;
    to_.update.put.push_back(std::move(made));
  }

  void compare(list_kind kind, const store::pin& pin, std::string_view definition,
               const std::string& digest) {
    store::pin now = pin;
    now.gone_at = 0;
    if (digest == pin.sha256) {
      ++to_.unchanged;
      now.held_sha256.clear();
      now.held_definition.clear();
    } else {
      note_change(pin, definition, digest);
      const bool holds = policy_ == pin_policy::quarantine;
      if (holds)
        to_.withheld[index_of(kind)].push_back(pin.name);
      now.changed_at = holds ? pin.changed_at : now_;
      now.sha256 = holds ? pin.sha256 : digest;
      now.definition = holds ? pin.definition : kept(definition);
      now.held_sha256 = holds ? digest : std::string();
      now.held_definition = holds ? kept(definition) : std::string();
    }
    if (now.sha256 != pin.sha256 || now.held_sha256 != pin.held_sha256 ||
        now.gone_at != pin.gone_at)
      to_.update.put.push_back(std::move(now));
  }

  void note_change(const store::pin& pin, std::string_view definition, const std::string& digest) {
    changed_item found{pin.kind, pin.name, describe_difference(pin.definition, kept(definition)),
                       digest != pin.held_sha256};
    if (found.is_new)
      to_.update.changes.push_back(
          {0, pin.server, pin.kind, pin.name, pin.sha256, digest, found.difference, now_});
    to_.changed.push_back(std::move(found));
  }

  pin_check& to_;
  const std::string server_;
  const pin_policy policy_;
  const store::wall_ms now_;
};

} // namespace

bool pin_check::withholds() const noexcept {
  return std::any_of(withheld.begin(), withheld.end(),
                     [](const auto& names) { return !names.empty(); });
}

std::string_view pin_kind(list_kind of) noexcept {
  switch (of) {
  case list_kind::tools:
    return "tool";
  case list_kind::prompts:
    return "prompt";
  case list_kind::resources:
    return "resource";
  case list_kind::templates:
    return "template";
  }
  return {};
}

pin_check check_pins(std::string_view server, const catalog::server_catalogue& told,
                     const std::vector<store::pin>& pins, pin_policy policy, store::wall_ms now) {
  pin_check out;
  if (policy == pin_policy::off)
    return out;
  checker one(out, server, policy, now);
  for (const auto kind : {list_kind::tools, list_kind::prompts, list_kind::templates})
    one.check(kind, told.list(kind), pins);
  return out;
}

} // namespace nexus::registry
