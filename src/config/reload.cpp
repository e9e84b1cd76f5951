#include "config/reload.hpp"

#include <variant>

#include "config/keys.hpp"

namespace nexus::config {

std::vector<std::string> keys_that_need_a_restart(const gateway& running, const gateway& wanted) {
  std::vector<std::string> out;
  const auto compare = [&](const char* key, auto gateway::*value) {
    if (running.*value != wanted.*value)
      out.emplace_back(key);
  };
  compare("listen", &gateway::listen);
  compare("allowedHosts", &gateway::allowed_hosts);
  compare("allowedOrigins", &gateway::allowed_origins);
  compare("extensions", &gateway::extensions);
  compare("workers", &gateway::workers);
  compare("reactor", &gateway::reactor);
  compare("log.format", &gateway::log_format);
  compare("sealingKeys", &gateway::sealing_keys);
  compare("state", &gateway::state_file);
  compare("embeddings", &gateway::embeddings);
  for (const detail::limit_key& key : detail::limit_keys()) {
    const bool same = std::visit(
        [&](const auto& bound) {
          return running.limits.*bound.value == wanted.limits.*bound.value;
        },
        key.bound);
    if (!same)
      out.push_back("limits." + std::string(key.name));
  }
  return out;
}

} // namespace nexus::config
