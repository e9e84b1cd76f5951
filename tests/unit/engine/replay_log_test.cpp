#include <thread>

#include <catch2/catch.hpp>

#include "engine/replay_log.hpp"

using namespace nexus;
using namespace nexus::engine;

namespace {

constexpr stream_reader first_reader{{0}, 1}, second_reader{{1}, 1};
constexpr std::size_t all = 1 << 30;

struct fixture {
  std::shared_ptr<replay_log::budget> used = std::make_shared<replay_log::budget>(0);
  time_point now{seconds(1'000)};
  replay_log log;

  explicit fixture(const replay_log::bounds& most = {}) : log(7, used, most) {}

  std::string add(std::uint32_t stream, std::string_view data,
                  event_weight weight = event_weight::needed,
                  std::optional<stream_reader> writer = first_reader) {
    return log.id_of(stream, log.append(stream, data, weight, now, writer).sequence);
  }
  /// What a reader that knows `last` is told.
  std::vector<std::string> rest(std::string_view last, stream_reader reader = second_reader) {
    const auto at = log.resume(last, reader, now);
    REQUIRE(at.what == replay_log::outcome::attached);
    return texts(log.read(at.stream, at.position, reader, all));
  }
  static std::vector<std::string> texts(const replay_log::news& news) {
    std::vector<std::string> found;
    for (const auto& event : news.events)
      found.push_back(event.data);
    return found;
  }
};

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("replay_log tells what came behind an id on its stream", "[engine][replay]") {
  fixture f;
  const auto a = f.log.open(first_reader), b = f.log.open(first_reader);
  const auto primer = f.log.id_of(a.stream, a.sequence);
  const auto one = f.add(a.stream, "one");
  f.add(b.stream, "other");
  const auto two = f.add(a.stream, "two", event_weight::dispensable);
  const auto answer = f.add(a.stream, "answer", event_weight::last);
  CHECK(f.rest(primer) == texts{"one", "two", "answer"});
  CHECK(f.rest(one) == texts{"two", "answer"});
  CHECK(f.rest(two) == texts{"answer"});
  CHECK(f.rest(answer).empty());
  CHECK(f.rest(f.log.id_of(b.stream, b.sequence)) == texts{"other"});
}

TEST_CASE("replay_log says when a stream has ended", "[engine][replay]") {
  fixture f;
  const auto at = f.log.open(first_reader);
  f.add(at.stream, "one");
  CHECK_FALSE(f.log.read(at.stream, 0, first_reader, all).ended);
  f.add(at.stream, "answer", event_weight::last);
  const auto some = f.log.read(at.stream, 0, first_reader, 1);
  CHECK(some.events.size() == 1);
  CHECK(some.more);
  CHECK_FALSE(some.ended);
  const auto rest = f.log.read(at.stream, some.events.back().sequence, first_reader, all);
  CHECK(rest.ended);
  CHECK(fixture::texts(rest) == texts{"answer"});
}

TEST_CASE("replay_log refuses ids that are not the session's", "[engine][replay]") {
  fixture f;
  const auto at = f.log.open(first_reader);
  f.add(at.stream, "one");
  const auto good = f.log.id_of(at.stream, at.sequence);
  CHECK(f.log.resume(good, second_reader, f.now).what == replay_log::outcome::attached);
  const replay_log other(8, f.used);
  for (const std::string& wrong :
       {other.id_of(at.stream, at.sequence), f.log.id_of(at.stream + 1, 1),
        f.log.id_of(at.stream, 99), std::string(), std::string("-"), std::string("7"),
        std::string("7-1"), std::string("7-1-"), good + " ", good + "g", "+" + good,
        std::string("7-100000001-1"), std::string("7-1-11111111111111111")}) {
    CAPTURE(wrong);
    CHECK(f.log.resume(wrong, second_reader, f.now).what == replay_log::outcome::foreign);
  }
}

TEST_CASE("replay_log hands a stream to its newest reader", "[engine][replay]") {
  fixture f;
  const auto at = f.log.open(first_reader);
  CHECK(f.log.append(at.stream, "one", event_weight::needed, f.now, first_reader).reader ==
        first_reader);
  const auto taken = f.log.resume(f.log.id_of(at.stream, at.sequence), second_reader, f.now);
  CHECK(taken.before == first_reader);
  CHECK(f.log.append(at.stream, "two", event_weight::needed, f.now, first_reader).reader ==
        second_reader);
  CHECK(f.log.read(at.stream, taken.position, first_reader, all).taken);
  f.log.detach(at.stream, first_reader, f.now); // too late to matter
  CHECK(fixture::texts(f.log.read(at.stream, taken.position, second_reader, all)) ==
        texts{"one", "two"});
  f.log.detach(at.stream, second_reader, f.now);
  CHECK_FALSE(f.log.append(at.stream, "three", event_weight::needed, f.now).reader);
}

TEST_CASE("replay_log keeps to its bounds", "[engine][replay]") {
  constexpr auto overhead = limits::replay_event_overhead_bytes;
  SECTION("events: progress goes first") {
    fixture f({.events_max = 3});
    const auto at = f.log.open(first_reader);
    const auto primer = f.log.id_of(at.stream, at.sequence);
    f.add(at.stream, "question");
    f.add(at.stream, "progress", event_weight::dispensable);
    f.add(at.stream, "more", event_weight::dispensable);
    f.add(at.stream, "answer", event_weight::last);
    CHECK(f.log.events_kept() == 3);
    CHECK(f.rest(primer) == texts{"question", "more", "answer"});
    const auto place = f.log.resume(primer, second_reader, f.now);
    CHECK(f.log.read(place.stream, place.position, second_reader, all).missed);
    CHECK_FALSE(f.log.read(place.stream, place.position, second_reader, all).missed);
  }
  SECTION("bytes") {
    fixture f({.bytes_max = 2 * (10 + overhead)});
    const auto at = f.log.open(first_reader);
    for (int i = 0; i < 9; ++i)
      f.add(at.stream, std::string(10, static_cast<char>('0' + i)));
    CHECK(f.log.bytes_kept() == 2 * (10 + overhead));
    CHECK(*f.used == f.log.bytes_kept());
    CHECK(f.rest(f.log.id_of(at.stream, at.sequence)) ==
          texts{std::string(10, '7'), std::string(10, '8')});
  }
  SECTION("a single event that is too large pushes nothing out") {
    fixture f({.bytes_max = 100 + overhead});
    const auto at = f.log.open(first_reader);
    f.add(at.stream, "small");
    f.add(at.stream, std::string(101, 'x'), event_weight::last);
    CHECK(f.log.events_kept() == 1);
    CHECK(f.log.resume(f.log.id_of(at.stream, at.sequence), second_reader, f.now).what ==
          replay_log::outcome::expired);
  }
  SECTION("what all sessions share") {
    fixture f({.shared_bytes_max = 1'000});
    const auto at = f.log.open(first_reader);
    f.add(at.stream, "kept");
    *f.used += 1'000;
    f.add(at.stream, "lost");
    CHECK(f.log.events_kept() == 0);
    CHECK(*f.used == 1'000);
  }
  SECTION("an event for which somebody waits is kept until it is read") {
    fixture f({.bytes_max = 100});
    const auto at = f.log.open(first_reader);
    const auto place = f.log.resume(f.log.id_of(at.stream, at.sequence), second_reader, f.now);
    f.add(at.stream, std::string(5'000, 'x'), event_weight::last);
    CHECK(f.log.events_kept() == 1);
    CHECK(f.log.read(place.stream, place.position, second_reader, all).events.size() == 1);
    CHECK(f.log.events_kept() == 0);
    CHECK(*f.used == 0);
  }
}

TEST_CASE("replay_log forgets with age", "[engine][replay]") {
  fixture f({.age_max = seconds(10)});
  const auto done = f.log.open(first_reader), open = f.log.open(first_reader);
  f.add(done.stream, "answer", event_weight::last);
  f.add(open.stream, "early");
  f.now += seconds(9);
  f.add(open.stream, "late");
  f.now += seconds(1);
  f.log.expire(f.now);
  CHECK(f.log.events_kept() == 1);
  CHECK(f.log.resume(f.log.id_of(done.stream, done.sequence), second_reader, f.now).what ==
        replay_log::outcome::expired);
  const auto place = f.log.resume(f.log.id_of(open.stream, open.sequence), second_reader, f.now);
  const auto news = f.log.read(place.stream, place.position, second_reader, all);
  CHECK(news.missed);
  CHECK(fixture::texts(news) == texts{"late"});
}

TEST_CASE("replay_log keeps the listening stream for who comes back", "[engine][replay]") {
  fixture f({.age_max = seconds(10)});
  CHECK_FALSE(f.log.listened());
  CHECK(f.log.listen(first_reader, f.now).position == 0);
  CHECK(f.log.listened());
  CHECK(f.log.prime(replay_log::listening, 0));
  const auto one = f.add(replay_log::listening, "one", event_weight::needed, {});
  CHECK_FALSE(f.log.prime(replay_log::listening, 0));
  CHECK(f.log.read(replay_log::listening, 0, first_reader, all).events.size() == 1);
  f.log.detach(replay_log::listening, first_reader, f.now);
  CHECK_FALSE(f.log.listened());
  f.add(replay_log::listening, "two", event_weight::needed, {});
  SECTION("behind the id that it names") {
    CHECK(f.rest(one) == texts{"two"});
  }
  SECTION("behind what was read, without an id") {
    const auto at = f.log.listen(second_reader, f.now);
    const auto news = f.log.read(at.stream, at.position, second_reader, all);
    CHECK(fixture::texts(news) == texts{"two"});
    CHECK_FALSE(news.ended);
  }
  SECTION("for a while") {
    f.now += seconds(9);
    CHECK(f.log.listened_lately(f.now));
    f.now += seconds(1);
    CHECK_FALSE(f.log.listened_lately(f.now));
  }
}

TEST_CASE("replay_log forgets everything when it is closed", "[engine][replay]") {
  fixture f;
  const auto at = f.log.open(first_reader);
  f.add(at.stream, "one");
  const auto readers = f.log.close();
  REQUIRE(readers.size() == 1);
  CHECK(readers[0] == std::pair(at.stream, first_reader));
  CHECK(*f.used == 0);
  CHECK(f.log.append(at.stream, "two", event_weight::last, f.now, first_reader).sequence == 0);
  CHECK(f.log.read(at.stream, 0, first_reader, all).ended);
  CHECK(f.log.resume(f.log.id_of(at.stream, 1), second_reader, f.now).what ==
        replay_log::outcome::expired);
  CHECK(f.log.listen(second_reader, f.now).what == replay_log::outcome::expired);
}

TEST_CASE("replay_log gives its bytes back", "[engine][replay]") {
  auto used = std::make_shared<replay_log::budget>(0);
  {
    replay_log log(1, used);
    const auto at = log.open(first_reader);
    static_cast<void>(log.append(at.stream, "text", event_weight::needed, {}, first_reader));
    CHECK(*used == 4 + limits::replay_event_overhead_bytes);
  }
  CHECK(*used == 0);
}

TEST_CASE("replay_log is read on one thread while another writes", "[engine][replay]") {
  constexpr int count = 20'000;
  lazy_replay_log lazy;
  const auto used = std::make_shared<replay_log::budget>(0);
  CHECK(lazy.get() == nullptr);
  auto& log = lazy.get_or_make(1, used);
  CHECK(&lazy.get_or_make(2, used) == &log);
  const auto at = log.open(second_reader);
  std::thread writer([&] {
    for (int i = 0; i <= count; ++i)
      static_cast<void>(log.append(at.stream, std::to_string(i),
                                   i == count ? event_weight::last : event_weight::needed,
                                   time_point{}, first_reader));
  });
  auto position = at.sequence;
  int next = 0;
  bool in_order = true;
  for (bool ended = false; !ended;) {
    const auto news = log.read(at.stream, position, second_reader, all);
    for (const auto& event : news.events) {
      const int number = std::stoi(event.data);
      in_order = in_order && number >= next; // a reader that is too slow misses some
      next = number + 1;
      position = event.sequence;
    }
    ended = news.ended;
  }
  writer.join();
  CHECK(in_order);
  CHECK(next == count + 1);
}
