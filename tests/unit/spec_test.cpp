#include "catch.h"

#include "espalier/spec/expression.h"
#include "espalier/spec/tree.h"
#include "espalier/spec/units.h"

#include <string>

using namespace espalier;

namespace {

/// The codes and places of all mistakes: "E0103 2:1".
std::vector<std::string> mistakes(const std::string& text) {
  Problems problems;
  parse_yaml("a.yaml", text, problems);
  std::vector<std::string> out;
  try {
    problems.raise();
  } catch (const Error& error) {
    for (const Problem& p : error.problems())
      out.push_back(p.code + " " + std::to_string(p.where.line) + ":" + std::to_string(p.where.column));
  }
  return out;
}

using Found = std::vector<std::string>;

Lookup given(const Json& values) {
  return [values](const std::string& name) { return values.contains(name) ? values.at(name) : Json(); };
}

}  // namespace

TEST_CASE("every value has its place and says whether it was quoted") {
  const Tree tree = parse_yaml("a.yaml", "a:\n  b: [1, \"2\"]\n");
  const Tree& list = *tree.find("a")->find("b");
  REQUIRE(list.items.size() == 2);
  CHECK(list.items[0].place.line == 2);
  CHECK(list.items[0].place.column == 7);
  CHECK_FALSE(list.items[0].quoted);
  CHECK(list.items[1].quoted);
  CHECK(list.items[1].text == "2");
  CHECK(list.items[0].place.position().text == "  b: [1, \"2\"]");
}

TEST_CASE("what is not part of a pipeline is refused where it stands") {
  CHECK(mistakes("a: &x 1\nb: *x\n") == Found{"E0104 1:4", "E0104 2:4"});
  CHECK(mistakes("a: *x\n") == Found{"E0104 1:4"});
  CHECK(mistakes("a: !!int 1\n") == Found{"E0104 1:4"});
  CHECK(mistakes("a: 1\na: 2\n") == Found{"E0103 2:1"});
  CHECK(mistakes("a:\nb: ~\n") == Found{"E0106 1:1"});
  CHECK(mistakes("%YAML 1.2\n---\na: 1\n") == Found{"E0104 1:1"});
  CHECK(mistakes("a: 1\n---\nb: 2\n").size() == 1);
  CHECK(mistakes("<<: {a: 1}\n") == Found{"E0104 1:1"});
  CHECK(mistakes("[a]: 1\n").size() == 1);
  CHECK(mistakes("a: \xff\n") == Found{"E0101 1:4"});
  CHECK(mistakes("a: 1\x04\n") == Found{"E0101 1:5"});
  CHECK_FALSE(mistakes("a: [1\n").empty());
  CHECK(mistakes("{\"a\": [1, true]}").empty());
}

TEST_CASE("hostile texts end in one mistake") {
  CHECK(mistakes(std::string(1000000, '[')).front().rfind("E0102", 0) == 0);
  CHECK(mistakes(std::string(1100000, ' ')).front().rfind("E0102", 0) == 0);
  std::string many = "a: [";
  for (int i = 0; i < 100001; ++i) many += "1,";
  CHECK(mistakes(many + "1]").front().rfind("E0102", 0) == 0);
}

TEST_CASE("numbers, times and sizes are read by their place") {
  CHECK(read_integer("64") == 64);
  CHECK_FALSE(read_integer("010"));
  CHECK_FALSE(read_integer("1e3"));
  CHECK(read_number("1e-4") == Approx(1e-4));
  CHECK_FALSE(read_number(".5"));
  CHECK_FALSE(read_number("inf"));
  CHECK(read_time("1.5h") == Approx(5400.0));
  CHECK_FALSE(read_time("10:30"));
  CHECK_FALSE(read_time("10"));
  CHECK(read_size("2GiB") == Approx(2147483648.0));
  CHECK_FALSE(read_size("16G"));
}

TEST_CASE("expressions are true, false or unknown as in SQL") {
  const Lookup row = given({{"age", 20}, {"name", "b"}, {"second_face", 0}, {"width", 64}});
  CHECK(holds(parse_expression("age >= 18 and age <= 100"), row) == true);
  CHECK(holds(parse_expression("not second_face"), row) == true);
  CHECK(holds(parse_expression("score > 1"), row) == std::nullopt);
  CHECK(holds(parse_expression("score > 1 or age == 20"), row) == true);
  CHECK(holds(parse_expression("score > 1 and age == 21"), row) == false);
  CHECK(holds(parse_expression("missing(score)"), row) == true);
  CHECK(holds(parse_expression("name == b"), row) == true);
  CHECK(holds(parse_expression("name in [a, \"c\"]"), row) == false);
  CHECK(holds(parse_expression("2 * width + 1 == 129"), row) == true);
}

TEST_CASE("expressions that make no sense are refused") {
  for (const char* text : {"", "age >", "1 < age < 3", "age = 3", "sin(age)", "(age", "age in 3", "10m < 2GiB", "90 < 2m", "name == 'b"})
    CHECK_THROWS_AS(parse_expression(text), Error);
}

TEST_CASE("a mistake of kinds says where it stands") {
  const Lookup row = [](const std::string& name) { return name == "name" ? Json("b") : Json(20); };
  for (const auto& [text, column] : {std::pair{"age > 2 and name > 3", 18}, {"age > 2 and name", 13}, {"1 + name > 2", 3}, {"not name", 5}}) {
    INFO(text);
    try {
      holds(parse_expression(text), row);
      FAIL("it was taken");
    } catch (const Error& error) {
      CHECK(error.problems()[0].code == "E0702");
      CHECK(error.problems()[0].where.column == column);
      CHECK(error.problems()[0].where.text == text);
    }
  }
  CHECK(place_of(parse_expression("'age' == name and age > 3"), "age") == 18);
  CHECK(place_of(parse_expression("age > 3"), "size") == 7);
}
