#include "espalier/network/rules.h"

namespace espalier {

namespace {

using Shapes = Operation::Shapes;

Shape same_picture(const Shapes& in, const Json&) { return picture(in); }

Shape growing_shape(const Shapes& in, const Json& set) {
  number_within(0.1, 1.0, set, "start");
  number_within(0.0, 1.0, set, "until");
  return picture(in);
}

Shape affine_shape(const Shapes& in, const Json& set) {
  number_within(0.0, 0.5, set, "rotate");
  number_within(0.0, 0.95, set, "zoom");
  number_within(0.0, 2.0, set, "shear");
  return picture(in);
}

Shape colour_shape(const Shapes& in, const Json& set) {
  const Shape& x = picture(in);
  for (const char* key : {"brightness", "contrast", "saturation"}) number_within(0.0, 1.0, set, key);
  number_within(0.0, 0.5, set, "hue");
  for (const char* key : {"saturation", "hue"})
    if (set.at(key).get<double>() != 0.0 && x[0] != 3)
      throw Misfit{
          0, fmt::format("channels is {}, and only pictures of red, green and blue have a {}: grey is the same whatever its {}", x[0], key, key)};
  return x;
}

Shape erase_shape(const Shapes& in, const Json& set) {
  number_within(0.0, 1.0, set, "probability");
  const double most = number_within(0.0, 1.0, set, "most_area");
  number_within(0.0, most, set, "least_area");
  number_within(1.0, 100.0, set, "most_ratio");
  const std::string fill = set.at("fill").get<std::string>();
  if (fill != "mean" && fill != "zero" && fill != "noise") throw Misfit{0, fmt::format("fill is '{}'; it is mean, zero or noise", fill)};
  return picture(in);
}

Shape random_operations_shape(const Shapes& in, const Json& set) {
  at_least(0, set, "operations");
  number_within(0.0, 30.0, set, "magnitude");
  return picture(in);
}

}  // namespace

std::vector<Operation> augmentation_operations() {
  const Json required;
  std::vector<Operation> all = {
      {.name = "random_flip",
       .settings = {{"horizontal", true}, {"vertical", false}, {"alternating", false}},
       .shape = same_picture},
      {.name = "random_translate",
       .settings = {{"height", required}, {"width", required}},
       .shape = same_picture},
      {.name = "growing", .settings = {{"start", required}, {"until", required}}, .shape = growing_shape},
      {.name = "random_affine", .settings = {{"rotate", 0.0}, {"zoom", 0.0}, {"shear", 0.0}}, .shape = affine_shape},
      {.name = "random_colour",
       .settings = {{"brightness", 0.0}, {"contrast", 0.0}, {"saturation", 0.0}, {"hue", 0.0}},
       .shape = colour_shape,
       .needs_pixels = true},
      {.name = "random_erase",
       .settings = {{"probability", 1.0}, {"least_area", required}, {"most_area", required}, {"most_ratio", 1.0}, {"clipped", false},
                    {"fill", "mean"}},
       .shape = erase_shape,
       .needs_pixels = true},
      {.name = "random_operations",
       .settings = {{"operations", required}, {"magnitude", required}},
       .shape = random_operations_shape,
       .needs_pixels = true},
  };
  for (Operation& one : all) one.training_only = one.keeps_pixels = true;
  return all;
}

}  // namespace espalier
