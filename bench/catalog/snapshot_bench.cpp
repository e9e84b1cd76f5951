/// The merged catalogue: where a name leads, what a list costs that is served from a snapshot, and
/// what making one costs. Promise P8: a list of 5,000 tools at 1 GB/s or more.

#include <fmt/format.h>
#include <vector>

#include "base/limits.hpp"
#include "bench/support/micro.hpp"
#include "catalog/snapshot.hpp"
#include "gateway/pieces.hpp"
#include "gateway/render.hpp"

namespace nexus::catalog {
namespace {

constexpr std::size_t tools_of_a_server = 100;

/// A definition of about 450 bytes, as servers write them.
std::string definition(std::size_t number) {
  return fmt::format(
      R"({{"name":"list_entries_{0}","title":"List entries {0}","description":"Lists the entries )"
      R"(below a path, newest first, with their size and owner. Returns at most limit entries and )"
      R"(a cursor for the next ones.","inputSchema":{{"type":"object","properties":{{"path":)"
      R"({{"type":"string","description":"where to look"}},"limit":{{"type":"integer","minimum":1,)"
      R"("maximum":500}},"cursor":{{"type":"string"}}}},"required":["path"]}},"annotations":)"
      R"({{"readOnlyHint":true}}}})",
      number);
}

server_part server_with(std::uint32_t slot, std::size_t tools) {
  std::string page = "[";
  for (std::size_t i = 0; i < tools; ++i)
    page += (i == 0 ? "" : ",") + definition(i);
  page = bench::padded(page + "]");
  list_builder builder(list_kind::tools, {limits::list_ttl_default.count(), false});
  json::scanner scanner;
  if (!builder.add_page({page, json::kind::array}, scanner))
    std::abort();
  auto made = std::make_shared<server_catalogue>();
  made->lists[index_of(list_kind::tools)] = builder.finish();
  made->offers.tools = true;
  return {slot, fmt::format("server_{}", slot), std::move(made), true};
}

std::vector<server_part> parts_with(std::size_t tools) {
  std::vector<server_part> parts;
  for (std::uint32_t slot = 0; slot * tools_of_a_server < tools; ++slot)
    parts.push_back(
        server_with(slot, std::min(tools_of_a_server, tools - slot * tools_of_a_server)));
  return parts;
}

std::size_t tools(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range(0));
}

/// Names in an order that no cache guesses.
std::vector<std::string> shuffled_names(const list_view& view) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < view.size(); ++i)
    names.emplace_back(view.name(i * 7919 % view.size()));
  return names;
}

/// The floor: going through the names.
void BM_catalog_find_floor(benchmark::State& state) {
  const snapshot made(1, naming::prefixed, parts_with(tools(state)));
  const auto names = shuffled_names(made.all());
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(names[next].data());
    next = next + 1 == names.size() ? 0 : next + 1;
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_catalog_find(benchmark::State& state) {
  const snapshot made(1, naming::prefixed, parts_with(tools(state)));
  const auto names = shuffled_names(made.all());
  std::size_t next = 0;
  for (auto _ : state) {
    const auto* const found = made.everything().list(list_kind::tools).find(names[next]);
    if (found == nullptr)
      state.SkipWithError("a listed name is not found");
    benchmark::DoNotOptimize(found);
    next = next + 1 == names.size() ? 0 : next + 1;
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_catalog_list_floor(benchmark::State& state) {
  const snapshot made(1, naming::prefixed, parts_with(tools(state)));
  bench::copy_floor(state, made.all().page(0, tools(state)));
}

/// All pages of a list, each put together as dispatch does and written into a socket's buffer.
void BM_catalog_list(benchmark::State& state) {
  const snapshot made(1, naming::prefixed, parts_with(tools(state)));
  const auto& view = made.all();
  std::string out;
  std::size_t bytes = 0;
  for (auto _ : state) {
    bytes = 0;
    for (std::size_t first = 0; first < view.size(); first += limits::list_page_items) {
      gateway::pieces text;
      text.add(R"({"jsonrpc":"2.0","id":17,"result":{"tools":[)");
      text.add(view.page(first, std::min(view.size(), first + limits::list_page_items)));
      text.add(R"(],"resultType":"complete",)");
      text.add(view.hints());
      text.add(R"(,"_meta":{)");
      text.add(gateway::server_info_member());
      text.add("}}}");
      out.clear();
      text.append_to(out);
      benchmark::DoNotOptimize(out.data());
      bytes += out.size();
    }
  }
  bench::report(state, bytes);
}

void BM_catalog_make_snapshot(benchmark::State& state) {
  const auto parts = parts_with(tools(state));
  std::size_t bytes = 0;
  for (auto _ : state) {
    const snapshot made(1, naming::prefixed, parts);
    bytes = made.all().page(0, made.all().size()).size();
  }
  bench::report(state, bytes);
}

BENCHMARK(BM_catalog_find_floor)->ArgName("tools")->Arg(10)->Arg(10'000);
BENCHMARK(BM_catalog_find)->ArgName("tools")->RangeMultiplier(10)->Range(10, 10'000);
BENCHMARK(BM_catalog_list_floor)->ArgName("tools")->Arg(50)->Arg(5'000);
BENCHMARK(BM_catalog_list)->ArgName("tools")->Arg(50)->Arg(5'000);
BENCHMARK(BM_catalog_make_snapshot)
    ->ArgName("tools")
    ->Arg(50)
    ->Arg(5'000)
    ->Unit(benchmark::kMicrosecond);

} // namespace
} // namespace nexus::catalog
