#include "cli/settings.hpp"

#include <ostream>

#include "cli/terminal.hpp"
#include "config/address.hpp"

namespace nexus::cli {
namespace {

/// A newcomer has no file yet: says how to get one.
config::loaded missing_default() {
  return {std::nullopt,
          {{config::severity::error,
            {default_config_path, 0, 0},
            "there is no configuration in this folder",
            "-c FILE names one; nexus import FILE makes one of your client's"}}};
}

} // namespace

config::loaded load_settings(const serve_options& options, const config::environment& env) {
  const std::string path = options.config_path.empty() ? default_config_path : options.config_path;
  if (options.config_path.empty() && (!env.read_file || !env.read_file(path)))
    return missing_default();
  config::loaded out = config::load_file(path, env);
  if (!out.value)
    return out;
  config::gateway& settings = *out.value;
  if (!options.listen.empty()) {
    if (auto found = config::listen_problem(options.listen, settings.insecure_listen)) {
      out.findings.push_back({config::severity::error,
                              {"--listen " + options.listen, 0, 0},
                              std::move(found->message),
                              std::move(found->hint)});
      out.value.reset();
      return out;
    }
    settings.listen = options.listen;
  }
  if (options.workers != 0)
    settings.workers = options.workers;
  if (!options.reactor.empty())
    settings.reactor = options.reactor;
  if (const auto mode = config::parse_exposure(options.exposure))
    settings.surface.mode = *mode;
  else if (!settings.exposure)
    settings.surface.mode = options.usual_exposure;
  return out;
}

void print_findings(const std::vector<config::diagnostic>& findings, std::ostream& out,
                    bool colour) {
  for (const config::diagnostic& finding : findings) {
    const bool error = finding.level == config::severity::error;
    out << toned(visible(finding.to_string(), line_breaks::escape),
                 error ? tone::bad : tone::caution, colour)
        << '\n';
  }
}

} // namespace nexus::cli
